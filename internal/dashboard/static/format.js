// Numbers and times as people read them.

export const percent = (v) => (v === null || v === undefined ? "–" : `${(100 * v).toFixed(1)} %`);
export const loss = (v) => (v === null || v === undefined ? "–" : v.toFixed(3));
export const speed = (v) => (v > 0 ? `${v >= 1000 ? Math.round(v).toLocaleString("en") : v.toFixed(v < 100 ? 1 : 0)} img/s` : "–");
export const bytes = (v) => (!v ? "–" : v < 1e9 ? `${Math.round(v / 1e6)} MB` : `${(v / 1e9).toFixed(2)} GB`);

export function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 1) return "under 1 s";
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 && m < 10 ? `${m} min ${s % 60} s` : `${m} min`;
  const h = Math.floor(m / 60);
  return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
}

export function when(text) {
  const t = new Date(text);
  if (t.getFullYear() < 2000) return "–";
  return t.toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

const states = {
  running: "running",
  finished: "finished",
  interrupted: "interrupted",
  failed: "failed",
  lost: "ended unexpectedly",
};

export const stateText = (run) => (run.error ? "unreadable" : run.stopping && run.state === "running" ? "stopping" : states[run.state]);

export const plural = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;
