// A run: where it is, its curves, and what it says of a few pictures as it learns.

import { el, fill as put, say } from "./element.js";
import { Chart, sparkline } from "./chart.js";
import { ask, path } from "./app.js";
import { pill } from "./list.js";
import * as format from "./format.js";

const doing = { train: "training", val: "judging on validation pictures", test: "judging on test pictures", features: "the frozen part sees the pictures" };

export async function runView(name) {
  let run = await ask(`/api/run/${path(name)}`);
  const pictures = (await ask(`/api/pictures/${path(name)}`)) ?? [];
  const state = el("span");
  const report = el("a", { class: "button", href: `/report/${path(name)}`, target: "_blank", rel: "noopener" }, "Report");
  const stopping = el("button", { type: "button", id: "stop", class: "danger", onclick: stop }, "Stop");
  const head = el("div", { class: "title" }, el("h1", {}, name), state, report, stopping);
  const tiles = el("dl", { class: "tiles" });
  const loss = new Chart({ title: "Loss", xName: "epoch", y: (v, exact) => (exact ? format.loss(v) : String(Number(v.toPrecision(3)))), low: 0, whole: true });
  const accuracy = new Chart({ title: "Accuracy", xName: "epoch", y: (v, exact) => (exact ? format.percent(v) : `${Math.round(100 * v)} %`), high: 1, whole: true });
  const watched = new Watched(run, pictures);
  const epochs = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Epochs" });
  const settings = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Settings" });
  const c = run.config;
  const element = el("div", {}, el("p", { class: "back" }, el("a", { href: "#/" }, "All runs")), head,
    el("p", { class: "about" }, `${c.model} on ${c.data.name}: ${format.plural(c.data.classes.length, "class", "classes")} (${listed(c.data.classes)}), `,
      `${c.data.train} training, ${c.data.val ? `${c.data.val} validation, ` : ""}${c.data.test} test pictures. Recipe ${c.settings.recipe}, started ${format.when(c.started)}.`),
    tiles, el("div", { class: "charts" }, accuracy.element, loss.element), watched.element,
    el("details", { id: "epochs" }, el("summary", {}, "Epochs in numbers"), epochs),
    el("details", { id: "settings" }, el("summary", {}, "Settings"), settings));

  function fill() {
    put(state, pill(run));
    report.hidden = !run.report;
    stopping.hidden = run.state !== "running";
    stopping.disabled = !!run.stopping;
    stopping.textContent = run.stopping ? "Stopping …" : "Stop";
    fillTiles();
    fillCurves();
    watched.set(run);
    epochs.replaceChildren(epochTable(run.epochs ?? []));
  }

  function fillTiles() {
    const list = [tile("Best test accuracy", format.percent(run.test_acc), run.best_epoch ? `epoch ${run.best_epoch}` : "no epoch yet")];
    const live = run.state === "running" && run.live;
    if (live) {
      const share = live.total_images ? live.images / live.total_images : 0;
      list.push(tile("Epoch", live.epoch ? `${live.epoch} of ${live.epochs}` : "–", [
        el("progress", { max: "1", value: String(share), "aria-label": doing[live.doing] }),
        `${live.phase ? `${live.phase}: ` : ""}${doing[live.doing] ?? ""}${live.total_images ? `, ${live.images} of ${live.total_images}` : ""}`]),
      tile("Speed", format.speed(live.img_s), "training, waiting included"),
      tile("Time left", live.left_s ? `≈ ${format.duration(live.left_s)}` : "–",
        live.phases_left ? `of this phase; then ${format.plural(live.phases_left, "more phase")}` : "estimated"),
      tile("Memory", format.bytes(live.resident), "of the process"));
    } else {
      const last = (run.epochs ?? []).at(-1);
      list.push(tile("Epochs", String(run.epoch), ending(run)), tile("Speed", format.speed(run.img_s), "training, waiting included"),
        tile("Time", last?.seconds ? format.duration(last.seconds) : "–", "up to the last epoch"));
    }
    tiles.replaceChildren(...list);
  }

  function fillCurves() {
    const list = run.epochs ?? [];
    const curve = (title, n, dash, value) => ({ name: title, colour: `var(--curve-${n})`, dash, points: list.filter((e) => value(e) !== undefined).map((e) => [e.epoch, value(e)]) });
    const best = list.findLast((e) => e.best);
    const test = curve("test", 3, "", (e) => e.test_acc);
    if (best) test.mark = [best.epoch, best.test_acc];
    accuracy.set([curve("train", 2, "7 3", (e) => e.train_acc), curve("validation", 4, "2 3", (e) => e.val_acc), test]);
    const steps = [];
    for (const t of run.trace ?? []) along(steps, t.points, t.epoch - 1);
    if (run.state === "running" && run.live?.points) along(steps, run.live.points, run.live.epoch - 1, Math.max(...(run.trace ?? []).map((t) => t.points?.length ?? 0), 0));
    loss.set([{ name: "steps", colour: "var(--curve-2)", faint: true, points: steps },
      curve("train", 2, "7 3", (e) => e.loss), curve("validation", 4, "2 3", (e) => e.val_loss), curve("test", 3, "", (e) => e.test_loss)]);
  }

  function stop() {
    const dialog = document.getElementById("ask");
    document.getElementById("ask-command").textContent = `graft resume ${run.at}`;
    document.getElementById("ask-no").onclick = () => dialog.close();
    document.getElementById("ask-yes").onclick = async () => {
      dialog.close();
      try {
        await ask(`/api/stop/${path(run.name)}`, { method: "POST" });
        say("The run ends after the step under way.");
      } catch (error) {
        say(error.message);
      }
    };
    dialog.showModal();
  }

  settings.replaceChildren(settingsTable(c));
  fill();
  return {
    title: run.name, element,
    async hear(event, data) {
      if (event === "live") {
        run.live = data;
        fillTiles();
        fillCurves();
      } else {
        const before = run.epoch;
        run = await ask(`/api/run/${path(name)}`);
        fill();
        if (run.epoch > before) say(`epoch ${run.epoch}: test accuracy ${format.percent(run.epochs.at(-1).test_acc)}`);
      }
    },
  };
}

// along puts an epoch's points between the epoch before and it; full is how many a whole epoch has.
function along(to, points, from, full) {
  const n = Math.max(full ?? 0, points?.length ?? 0);
  (points ?? []).forEach((p, i) => to.push([from + (i + 1) / n, p.loss]));
}

const tile = (title, value, more) => el("div", {}, el("dt", {}, title), el("dd", { class: "value" }, value), el("dd", { class: "more" }, more));

const ending = (run) => ({
  finished: "as planned, or no better came", interrupted: `graft resume goes on`, failed: "an error ended it", lost: "no word since: graft resume goes on",
}[run.state] ?? "");

const listed = (names) => (names.length > 6 ? `${names.slice(0, 5).join(", ")}, ${names.length - 5} more` : names.join(", "));

function epochTable(list) {
  const columns = [["Epoch", (e) => String(e.epoch)], ["Loss", (e) => format.loss(e.loss)], ["Train acc.", (e) => format.percent(e.train_acc)],
    ["Val. acc.", (e) => format.percent(e.val_acc)], ["Test acc.", (e) => format.percent(e.test_acc)], ["Test loss", (e) => format.loss(e.test_loss)],
    ["Rate", (e) => e.lr.toPrecision(3)], ["Speed", (e) => format.speed(e.img_s)]];
  return el("table", { class: "numbers" }, el("thead", {}, el("tr", {}, columns.map(([t]) => el("th", { scope: "col" }, t)))),
    el("tbody", {}, list.map((e) => el("tr", { class: e.best && "best" }, columns.map(([, v], i) => el(i ? "td" : "th", i ? {} : { scope: "row" }, v(e) + (i === 0 && e.best ? " ★" : "")))))));
}

function settingsTable(c) {
  const row = (k, v) => el("tr", {}, el("th", { scope: "row" }, k), el("td", {}, String(v)));
  return el("table", { class: "settings" }, el("tbody", {},
    row("command", (c.command ?? []).join(" ")), row("weights", [c.weights.name, c.weights.source, c.weights.sha256?.slice(0, 12)].filter(Boolean).join(", ") || c.weights.asked),
    row("data", `${c.data.location} (fingerprint ${c.data.fingerprint.slice(0, 12)})`), row("best epoch chosen on", c.data.best_chosen_on),
    Object.entries(c.settings).map(([k, v]) => row(k.replaceAll("_", " "), v)),
    row("machine", [c.machine.cpu, c.machine.device, `${c.machine.os}/${c.machine.arch}`].filter(Boolean).join(", ")), row("graft", c.graft_version)));
}

// Watched are the pictures that the run is followed on: its answers after an epoch, the latest unless an
// earlier one is asked for.
class Watched {
  constructor(run, pictures) {
    this.pictures = pictures;
    this.latest = true;
    this.range = el("input", { type: "range", id: "epoch", min: "1", step: "1", oninput: () => { this.latest = this.range.value === this.range.max; this.fill(); } });
    this.label = el("output", { for: "epoch" });
    this.grid = el("ul", { class: "pictures" });
    this.sum = el("p", { class: "sum" });
    this.cards = pictures.map((p) => new Card(p, run.config.data.classes));
    this.grid.append(...this.cards.map((card) => card.element));
    this.slider = el("div", { class: "slider" }, el("label", { for: "epoch" }, "After epoch"), this.range, this.label);
    this.element = el("section", { class: "watched", hidden: pictures.length === 0 }, el("h2", {}, "Pictures it has not learnt from"), this.sum, this.slider, this.grid);
  }

  set(run) {
    this.trace = (run.trace ?? []).filter((t) => t.answers);
    this.range.max = String(Math.max(1, this.trace.length));
    if (this.latest) this.range.value = this.range.max;
    this.slider.hidden = this.trace.length === 0;
    this.fill();
  }

  fill() {
    const at = Number(this.range.value) - 1;
    const answers = this.trace[at]?.answers;
    this.label.textContent = this.trace[at] ? `${this.trace[at].epoch} of ${this.trace.at(-1).epoch}` : "";
    this.range.setAttribute("aria-valuetext", this.trace[at] ? `epoch ${this.trace[at].epoch}` : "none");
    const right = answers ? this.pictures.filter((p, i) => answers[i].class === p.class).length : 0;
    this.sum.textContent = answers ? `${right} of ${this.pictures.length} right. The line is the probability of the right class over the epochs.` : "They are judged after every epoch.";
    this.cards.forEach((card, i) => card.set(answers?.[i], this.trace.slice(0, at + 1).map((t) => t.answers[i].right)));
  }
}

class Card {
  constructor(picture, classes) {
    this.picture = picture;
    this.classes = classes;
    const truth = classes[picture.class];
    this.answer = el("p", { class: "answer" });
    this.spark = el("div", { class: "history" });
    this.element = el("li", {}, el("img", { src: `data:image/jpeg;base64,${picture.jpeg}`, alt: `${truth}: ${picture.path.split("/").at(-1)}`, title: picture.path, width: 128, height: 128 }),
      el("div", { class: "words" }, el("p", { class: "truth" }, truth), this.answer, this.spark));
  }

  set(answer, history) {
    const right = answer && answer.class === this.picture.class;
    this.element.className = !answer ? "" : right ? "right" : "wrong";
    this.answer.textContent = !answer ? "" : right ? `✓ ${format.percent(answer.prob)}` : `✗ ${this.classes[answer.class]}, ${format.percent(answer.prob)}`;
    const spark = answer && sparkline(history, { width: 104, height: 24 });
    this.spark.replaceChildren(...(spark ? [spark] : []));
  }
}
