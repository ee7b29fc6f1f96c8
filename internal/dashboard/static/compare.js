// Runs side by side: their curves over each other, and what differs between them.

import { el } from "./element.js";
import { Chart } from "./chart.js";
import { ask, path, runAddress } from "./app.js";
import { pill } from "./list.js";
import * as format from "./format.js";

const dashes = ["", "7 3", "2 3", "9 3 2 3"];
const colour = (i) => `var(--curve-${(i % 6) + 1})`;

// rows are what a run is told apart by.
const rows = {
  "best test accuracy": (r) => format.percent(r.test_acc),
  "validation accuracy": (r) => format.percent(r.val_acc),
  "test loss": (r) => format.loss(r.test_loss),
  "best epoch": (r) => r.best_epoch || "–",
  "epochs": (r) => r.epoch,
  "time": (r) => (r.epochs_list.length && r.epochs_list.at(-1).seconds ? format.duration(r.epochs_list.at(-1).seconds) : "–"),
  "speed": (r) => format.speed(r.img_s),
  "model": (r) => r.model,
  "weights": (r) => r.config.weights.name || r.config.weights.asked,
  "data": (r) => r.config.data.name,
  "pictures": (r) => `${r.config.data.train} training, ${r.config.data.val} validation, ${r.config.data.test} test`,
  "data fingerprint": (r) => r.config.data.fingerprint.slice(0, 12),
  "device": (r) => r.config.machine.device,
};

const results = 7; // of the rows are shown even where they are the same

async function details(names) {
  return Promise.all(names.map(async (name) => {
    const r = await ask(`/api/run/${path(name)}`);
    return { ...r, epochs_list: r.epochs ?? [], epochs: undefined };
  }));
}

export async function compareView(names) {
  let runs = await details(names);
  let time = false;
  const axis = { x: (v) => (time ? format.duration(v) : String(v)) };
  const accuracy = new Chart({ title: "Test accuracy", xName: "epoch", y: (v, exact) => (exact ? format.percent(v) : `${Math.round(100 * v)} %`), high: 1, ...axis });
  const loss = new Chart({ title: "Training loss", xName: "epoch", y: (v, exact) => (exact ? format.loss(v) : String(Number(v.toPrecision(3)))), low: 0, ...axis });
  const table = el("table", { class: "differs" });
  const choice = (value, text) => el("label", {}, el("input", { type: "radio", name: "axis", value, checked: (value === "time") === time, onchange: () => { time = value === "time"; fill(); } }), " ", text);

  function curves(value) {
    return runs.map((r, i) => ({
      name: r.name, colour: colour(i), dash: dashes[Math.floor(i / 6) % dashes.length],
      points: r.epochs_list.filter((e) => !time || e.seconds).map((e) => [time ? e.seconds : e.epoch, value(e)]),
    }));
  }

  function fill() {
    for (const c of [accuracy, loss]) {
      c.xName = time ? "time" : "epoch";
      c.whole = !time;
      c.between = time;
    }
    accuracy.set(curves((e) => e.test_acc));
    loss.set(curves((e) => e.loss));
    const settings = {};
    for (const key of new Set(runs.flatMap((r) => Object.keys(r.config.settings)))) {
      settings[key.replaceAll("_", " ")] = (r) => String(r.config.settings[key] ?? "–");
    }
    const lines = Object.entries({ ...rows, ...settings }).map(([title, value], i) => [title, runs.map(value), i < results])
      .filter(([, values, always]) => always || values.some((v) => v !== values[0]));
    table.replaceChildren(
      el("caption", {}, "Results, and the settings that differ"),
      el("thead", {}, el("tr", {}, el("td", {}), runs.map((r) => el("th", { scope: "col" }, el("a", { href: runAddress(r.name) }, r.name), " ", pill(r))))),
      el("tbody", {}, lines.map(([title, values]) => el("tr", {}, el("th", { scope: "row" }, title), values.map((v) => el("td", {}, String(v)))))));
  }

  fill();
  return {
    title: `Compare ${format.plural(runs.length, "run")}`,
    element: el("div", {}, el("p", { class: "back" }, el("a", { href: "#/" }, "All runs")), el("h1", {}, `${format.plural(runs.length, "run")} compared`),
      el("fieldset", { class: "axis" }, el("legend", {}, "Along"), choice("epoch", "epochs"), choice("time", "time")),
      el("div", { class: "charts" }, accuracy.element, loss.element),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Results and settings" }, table)),
    async hear() {
      runs = await details(names);
      fill();
    },
  };
}
