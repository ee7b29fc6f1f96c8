// A line chart: curves over epochs or seconds, read by pointer, keyboard and screen reader.

import { el, svg } from "./element.js";

const margin = { top: 10, right: 14, bottom: 26, left: 46 };
const height = 240;

// ticks are about n round values from low to high.
export function ticks(low, high, n) {
  const rough = (high - low) / n || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const list = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) list.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return list;
}

const short = (v) => String(Number(v.toPrecision(6)));

// A Chart is made once, and set to new curves as they come. A curve is {name, colour, dash, faint,
// points: [[x, y], ...]}; of a faint one there is no reading. With between set, a curve is read at its
// last point before the ruler, else only at points right under it.
export class Chart {
  constructor({ title, y = short, x = short, xName, low = null, high = null, whole = false }) {
    Object.assign(this, { title, y, x, xName, low, high, whole });
    this.curves = [];
    this.at = null;
    this.plot = svg("svg", { "aria-hidden": "true", height });
    this.reading = el("p", { class: "reading", "aria-hidden": "true" });
    this.cursor = el("div", {
      class: "plot", tabindex: "0", role: "slider", "aria-label": `${title}, read along ${xName}s with the arrow keys`,
      onkeydown: (e) => this.key(e), onpointermove: (e) => this.point(e), onpointerleave: () => this.read(null),
      onblur: () => this.read(null),
    }, this.plot);
    this.legend = el("ul", { class: "legend" });
    this.element = el("figure", { class: "chart" }, el("figcaption", {}, el("h2", {}, title), this.legend), this.cursor, this.reading);
    new ResizeObserver(() => this.draw()).observe(this.cursor);
  }

  set(curves) {
    this.curves = curves.filter((c) => c.points.length > 0);
    const xs = new Set();
    for (const c of this.curves) if (!c.faint) for (const [x] of c.points) xs.add(x);
    this.xs = [...xs].sort((a, b) => a - b);
    this.legend.replaceChildren(...this.curves.filter((c) => !c.faint).map((c) => el("li", {}, swatch(c), c.name)));
    this.draw();
  }

  bounds() {
    let [x0, x1, y0, y1] = [Infinity, -Infinity, this.low ?? Infinity, this.high ?? -Infinity];
    for (const c of this.curves) {
      for (const [x, y] of c.points) {
        x0 = Math.min(x0, x); x1 = Math.max(x1, x);
        if (this.low === null || y < y0) y0 = Math.min(y0, y);
        if (this.high === null && !c.faint) y1 = Math.max(y1, y);
      }
    }
    if (!(x1 > x0)) { x0 -= 0.5; x1 += 0.5; }
    if (!(y1 > y0)) { y1 = y0 + 1; }
    return [x0, x1, y0, y1 + (this.high === null ? (y1 - y0) * 0.05 : 0)];
  }

  draw() {
    const width = this.cursor.clientWidth;
    if (!width) return;
    this.plot.setAttribute("width", width);
    if (this.curves.length === 0) {
      this.plot.replaceChildren(svg("text", { x: width / 2, y: height / 2, class: "none", "text-anchor": "middle" }, "no epoch yet"));
      this.cursor.setAttribute("aria-valuetext", "no epoch yet");
      this.cursor.setAttribute("aria-valuenow", "0");
      return;
    }
    const [x0, x1, y0, y1] = this.bounds();
    const right = width - margin.right, bottom = height - margin.bottom;
    this.px = (x) => margin.left + ((x - x0) / (x1 - x0)) * (right - margin.left);
    this.py = (y) => bottom - ((Math.min(y, y1) - y0) / (y1 - y0)) * (bottom - margin.top);
    const parts = [];
    for (const v of ticks(y0, y1, 5)) {
      parts.push(svg("line", { class: "grid", x1: margin.left, x2: right, y1: this.py(v), y2: this.py(v) }),
        svg("text", { class: "tick", x: margin.left - 8, y: this.py(v) + 4, "text-anchor": "end" }, this.y(v)));
    }
    for (const v of ticks(x0, x1, Math.max(2, Math.min(8, width / 90)))) {
      if (this.whole && v !== Math.round(v)) continue;
      parts.push(svg("text", { class: "tick", x: this.px(v), y: bottom + 18, "text-anchor": "middle" }, this.x(v)));
    }
    for (const c of this.curves) {
      const path = c.points.map(([x, y], i) => `${i ? "L" : "M"}${this.px(x).toFixed(1)} ${this.py(y).toFixed(1)}`).join("");
      parts.push(svg("path", { class: c.faint ? "curve faint" : "curve", d: path, stroke: c.colour, "stroke-dasharray": c.dash }));
      if (!c.faint && c.points.length < 40) {
        for (const [x, y] of c.points) parts.push(svg("circle", { cx: this.px(x), cy: this.py(y), r: 2.5, fill: c.colour }));
      }
      if (c.mark) {
        const [x, y] = c.mark;
        parts.push(svg("circle", { class: "mark", cx: this.px(x), cy: this.py(y), r: 6, stroke: c.colour }));
      }
    }
    this.ruler = svg("line", { class: "ruler", y1: margin.top, y2: bottom, visibility: "hidden" });
    this.plot.replaceChildren(...parts, this.ruler);
    this.cursor.setAttribute("aria-valuemin", String(this.xs[0] ?? 0));
    this.cursor.setAttribute("aria-valuemax", String(this.xs.at(-1) ?? 0));
    this.read(this.at);
  }

  // values are the curves' at x, in words.
  values(x) {
    const at = (c) => c.points.findLast((p) => (this.between ? p[0] <= x : p[0] === x));
    const parts = this.curves.filter((c) => !c.faint).map((c) => [c, at(c)]).filter(([, p]) => p);
    return `${this.xName} ${this.x(x)}: ` + parts.map(([c, p]) => `${c.name} ${this.y(p[1], true)}`).join(", ");
  }

  read(x) {
    this.at = x;
    if (!this.ruler || !this.xs?.length) return;
    const shown = x ?? this.xs.at(-1);
    const words = this.values(shown);
    this.ruler.setAttribute("visibility", x === null ? "hidden" : "visible");
    this.ruler.setAttribute("x1", this.px(shown));
    this.ruler.setAttribute("x2", this.px(shown));
    this.reading.textContent = words;
    this.cursor.setAttribute("aria-valuenow", String(shown));
    this.cursor.setAttribute("aria-valuetext", words);
  }

  point(e) {
    if (!this.xs?.length) return;
    const at = e.clientX - this.cursor.getBoundingClientRect().left;
    this.read(this.xs.reduce((best, x) => (Math.abs(this.px(x) - at) < Math.abs(this.px(best) - at) ? x : best)));
  }

  key(e) {
    if (!this.xs?.length) return;
    const last = this.xs.length - 1;
    const i = this.at === null ? last : this.xs.indexOf(this.at);
    const to = { ArrowLeft: i - 1, ArrowDown: i - 1, ArrowRight: i + 1, ArrowUp: i + 1, Home: 0, End: last }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    this.read(this.xs[Math.max(0, Math.min(last, to))]);
  }
}

function swatch(curve) {
  return svg("svg", { width: 22, height: 8, "aria-hidden": "true" },
    svg("line", { x1: 0, x2: 22, y1: 4, y2: 4, stroke: curve.colour, "stroke-width": 3, "stroke-dasharray": curve.dash }));
}

// sparkline is a curve so small that it has no axes; what it shows stands beside it in words.
export function sparkline(values, { width = 72, height = 22, low = 0, high = 1 } = {}) {
  if (values.length < 2) return null;
  const x = (i) => 2 + (i / (values.length - 1)) * (width - 4);
  const y = (v) => height - 2 - ((v - low) / (high - low || 1)) * (height - 4);
  const path = values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  return svg("svg", { class: "spark", width, height, "aria-hidden": "true" },
    svg("path", { d: path }), svg("circle", { cx: x(values.length - 1), cy: y(values.at(-1)), r: 2 }));
}
