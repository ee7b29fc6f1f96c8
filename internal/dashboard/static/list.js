// The list of runs: filtered, sorted, some chosen to be compared.

import { el, fill as put, say } from "./element.js";
import { sparkline } from "./chart.js";
import { ask, runAddress } from "./app.js";
import * as format from "./format.js";

const columns = [
  { key: "name", title: "Run", value: (r) => r.name.toLowerCase() },
  { key: "state", title: "State", value: (r) => format.stateText(r) },
  { key: "model", title: "Model", value: (r) => r.model },
  { key: "data", title: "Data", value: (r) => r.data },
  { key: "accuracy", title: "Best test accuracy", value: (r) => r.test_acc ?? -1, down: true },
  { key: "epochs", title: "Epochs", value: (r) => r.epoch, down: true },
  { key: "speed", title: "Speed", value: (r) => r.img_s, down: true },
  { key: "started", title: "Started", value: (r) => r.started, down: true },
];

const matches = (run, words) => {
  const text = [run.name, run.model, run.data, run.recipe, format.stateText(run)].join(" ").toLowerCase();
  return words.every((w) => text.includes(w));
};

export async function listView() {
  let { dir, only, runs } = await ask("/api/runs");
  const chosen = new Set();
  const rows = new Map();
  let sort = { key: "started", down: true };

  const filter = el("input", { type: "search", id: "filter", placeholder: "name, model, data, state …", oninput: fill, autocomplete: "off" });
  const compare = el("a", { class: "button", id: "compare", "aria-disabled": "true" }, "Compare");
  const found = el("p", { id: "found", role: "status" });
  const head = el("tr", { role: "row" }, el("th", { role: "columnheader", scope: "col" }, el("span", { class: "unseen" }, "Compare")),
    columns.map((c) => el("th", { role: "columnheader", scope: "col", class: c.key }, el("button", { type: "button", onclick: () => by(c) }, c.title))));
  const body = el("tbody", { role: "rowgroup" });
  const table = el("table", { class: "runs", role: "table", "aria-label": "Runs" }, el("thead", { role: "rowgroup" }, head), body);
  const none = el("p", { class: "empty" });
  const order = el("select", { id: "order", onchange: () => by(columns.find((c) => c.key === order.value)) },
    columns.map((c) => el("option", { value: c.key }, c.title)));
  const element = el("div", {}, el("h1", {}, "Runs"),
    el("div", { class: "tools" }, el("label", { for: "filter" }, "Filter"), filter,
      el("label", { for: "order", class: "narrow" }, "Sort by"), el("span", { class: "narrow" }, order), compare, found), table, none);

  function by(column) {
    sort = { key: column.key, down: sort.key === column.key ? !sort.down : !!column.down };
    fill();
    say(`sorted by ${column.title}, ${sort.down ? "descending" : "ascending"}`);
  }

  function fill() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const column = columns.find((c) => c.key === sort.key);
    const list = runs.filter((r) => matches(r, words)).sort((a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (sort.down ? -1 : 1);
    });
    order.value = sort.key;
    columns.forEach((c, i) => head.children[i + 1].setAttribute("aria-sort", c.key !== sort.key ? "none" : sort.down ? "descending" : "ascending"));
    const lines = list.map(row);
    if (lines.length !== body.children.length || lines.some((tr, i) => tr !== body.children[i])) {
      const focused = document.activeElement;
      body.replaceChildren(...lines);
      if (body.contains(focused)) focused.focus();
    }
    table.hidden = list.length === 0;
    none.hidden = list.length > 0;
    none.textContent = runs.length === 0 ? `There is no run in ${dir} yet: graft train PHOTOS makes one, and it shows up here.` : "No run matches.";
    found.textContent = runs.length === list.length ? format.plural(runs.length, "run") : `${list.length} of ${format.plural(runs.length, "run")}`;
    choose();
  }

  function choose() {
    for (const name of chosen) if (!runs.some((r) => r.name === name)) chosen.delete(name);
    const enough = chosen.size > 1;
    compare.textContent = chosen.size ? `Compare ${format.plural(chosen.size, "run")}` : "Compare";
    compare.setAttribute("aria-disabled", String(!enough));
    if (enough) compare.setAttribute("href", "#/compare?" + [...chosen].map((n) => `run=${encodeURIComponent(n)}`).join("&"));
    else compare.removeAttribute("href");
  }

  // row is a run's, made once: what a person is about to click must stay where it is.
  function row(r) {
    const made = rows.get(r.name) ?? makeRow(r.name);
    rows.set(r.name, made);
    made.set(r);
    return made.tr;
  }

  function makeRow(name) {
    const box = el("input", { type: "checkbox", id: `choose ${name}`, "aria-label": `Compare ${name}`, onchange: () => {
      if (box.checked) chosen.add(name); else chosen.delete(name);
      choose();
    } });
    const cell = (key, title, ...content) => el("td", { role: "cell", class: key, "data-title": title }, ...content);
    const error = el("p", { class: "error" });
    const cells = columns.slice(1).map((c) => cell(c.key, c.key === "state" ? "" : c.title));
    const tr = el("tr", { role: "row" }, cell("box", "", box), cell("name", "", el("a", { href: runAddress(name), id: `run ${name}` }, name), error), cells);
    return {
      tr,
      set(r) {
        box.checked = chosen.has(name);
        error.textContent = r.error ?? "";
        error.hidden = !r.error;
        const contents = [pill(r), r.model, r.data, [el("span", { class: "number" }, format.percent(r.test_acc)), sparkline(r.accuracy)],
          r.state === "running" ? `${r.epoch} of ${r.epochs}` : String(r.epoch), format.speed(r.img_s), format.when(r.started)];
        cells.forEach((c, i) => put(c, contents[i]));
      },
    };
  }

  fill();
  return {
    title: "Runs", where: only ? `${dir}/${only}` : dir, element,
    async hear() {
      ({ runs } = await ask("/api/runs"));
      fill();
    },
  };
}

export const pill = (run) => el("span", { class: `pill ${run.error ? "failed" : run.state}` }, format.stateText(run));
