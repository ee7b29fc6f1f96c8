// The page: which view an address asks for, and the stream of news that keeps it current.

import { el, say } from "./element.js";
import { listView } from "./list.js";
import { runView } from "./run.js";
import { compareView } from "./compare.js";

const main = document.getElementById("main");
const connection = document.getElementById("connection");

export class Refused extends Error {}

// ask fetches JSON from this server.
export async function ask(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) {
    let why = `${answer.status} ${answer.statusText}`;
    try {
      why = (await answer.json()).error ?? why;
    } catch { /* no JSON: the status says it */ }
    throw new Refused(why);
  }
  return answer.status === 202 ? null : answer.json();
}

export const path = (name) => name.split("/").map(encodeURIComponent).join("/");
export const runAddress = (name) => `#/run/${path(name)}`;

// A Stream hears of news while the page is looked at: a browser allows a host six
// connections, which hidden pages are not to use up.
class Stream {
  constructor(address, heard) {
    Object.assign(this, { address, heard, source: null });
    this.look = () => (document.hidden ? this.close() : this.open());
    document.addEventListener("visibilitychange", this.look);
    this.look();
  }

  open() {
    if (this.source) return;
    this.source = new EventSource(this.address);
    this.source.onopen = () => connected(true);
    this.source.onerror = () => connected(false);
    for (const name of ["runs", "run", "live"]) {
      this.source.addEventListener(name, (e) => this.heard(name, JSON.parse(e.data)));
    }
    this.source.addEventListener("end", () => {
      this.close();
      connection.textContent = "the program that served this page has ended";
      connection.className = "off";
    });
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  end() {
    this.close();
    document.removeEventListener("visibilitychange", this.look);
  }
}

function connected(is) {
  connection.textContent = is ? "live" : "not connected";
  connection.className = is ? "on" : "off";
}

// route is the view that the address asks for, and what it hears of.
function route() {
  const [, where, ...rest] = location.hash.split("?")[0].split("/");
  const name = rest.map(decodeURIComponent).join("/");
  if (where === "run" && name) return { make: () => runView(name), events: `/api/events/${path(name)}` };
  const asked = new URLSearchParams(location.hash.split("?")[1] ?? "");
  if (where === "compare") return { make: () => compareView(asked.getAll("run")), events: "/api/events" };
  return { make: () => listView(asked), events: "/api/events" };
}

let stream = null;
let shown = 0;

async function show(event) {
  if (location.hash === "#main") { main.focus(); return; }
  const turn = ++shown;
  stream?.end();
  const { make, events } = route();
  let view;
  try {
    view = await make();
  } catch (error) {
    view = { title: "Not found", element: el("p", { class: "empty", role: "alert" }, error.message, " ", el("a", { href: "#/" }, "All runs")) };
  }
  if (turn !== shown) return;
  main.replaceChildren(view.element);
  document.title = `${view.title} · Graft`;
  document.getElementById("where").textContent = view.where ?? "";
  if (event) { // the address changed within the page
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
    say(view.title);
  }
  let busy = Promise.resolve();
  stream = new Stream(events, (name, data) => {
    busy = busy.then(() => turn === shown && view.hear?.(name, data)).catch((error) => say(error.message));
  });
}

addEventListener("hashchange", show);
show();
