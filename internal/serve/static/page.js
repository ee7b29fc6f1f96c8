// The page to drop a picture on: asks /v1/predict and shows the answers, newest first.
"use strict";

const $ = (id) => document.getElementById(id);
const most = 60; // answers that stay on the page
let models = [];

function element(tag, text, name) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (name) e.className = name;
  return e;
}

function headers() {
  const token = $("token").value;
  return token ? { Authorization: "Bearer " + token } : {};
}

function say(text, bad) {
  $("state").textContent = text;
  $("state").className = bad ? "bad" : "quiet";
}

async function load() {
  const r = await fetch("/v1/models", { headers: headers() });
  if (r.status === 401) {
    $("bearer").hidden = false;
    say("This server asks for a token.");
    return;
  }
  models = (await r.json()).models;
  $("model").replaceChildren(...models.map((m) => element("option", m.name)));
  $("choose").hidden = models.length < 2;
  say("");
  describe();
}

function describe() {
  const m = models.find((m) => m.name === $("model").value);
  $("classes").textContent = m ? "It knows: " + m.classes.slice(0, 40).join(", ") + (m.classes.length > 40 ? " and " + (m.classes.length - 40) + " more" : "") : "";
}

function percent(p) { return (100 * p).toFixed(1) + " %"; }

// why is a button that puts where the network looked in the picture's place.
function why(file, answer, picture) {
  const button = element("button", "Where does it see that?");
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const r = await fetch("/v1/explain?model=" + encodeURIComponent(answer.model), { method: "POST", body: file, headers: { ...headers(), "Content-Type": "application/octet-stream" } });
      if (!r.ok) throw new Error((await r.json()).error);
      picture.onload = () => URL.revokeObjectURL(picture.src);
      picture.src = URL.createObjectURL(await r.blob());
      picture.alt = "What the network saw, in colours where it finds " + decodeURIComponent(r.headers.get("Graft-Class").replaceAll("+", " "));
      button.remove();
    } catch (e) {
      say(e.message, true);
      button.disabled = false;
    }
  });
  return button;
}

function show(file, answer, error) {
  const item = element("li");
  const picture = element("img");
  picture.alt = "";
  picture.src = URL.createObjectURL(file);
  picture.onload = () => URL.revokeObjectURL(picture.src);
  picture.onerror = () => { URL.revokeObjectURL(picture.src); picture.remove(); };
  const said = element("div", undefined, "said");
  said.append(element("h2", error ? "No answer" : answer.label + " " + percent(answer.prob)));
  said.append(element("p", file.name, "name quiet"));
  if (error) {
    said.append(element("p", error, "bad"));
  } else {
    const list = element("ol", undefined, "classes");
    for (const c of answer.topk) {
      const row = element("li");
      const bar = element("progress");
      bar.max = 1;
      bar.value = c.prob;
      bar.setAttribute("aria-hidden", "true");
      row.append(bar, element("span", c.label), element("span", percent(c.prob)));
      list.append(row);
    }
    said.append(list, why(file, answer, picture));
  }
  item.append(picture, said);
  $("answers").prepend(item);
  while ($("answers").children.length > most) $("answers").lastChild.remove();
}

async function ask(file) {
  let url = "/v1/predict";
  if ($("model").value) url += "?model=" + encodeURIComponent($("model").value);
  const kind = file.type.startsWith("image/") ? file.type : "application/octet-stream";
  for (let tries = 0; ; tries++) {
    const r = await fetch(url, { method: "POST", body: file, headers: { ...headers(), "Content-Type": kind } });
    const answer = await r.json();
    if (r.ok) return answer;
    if ((r.status !== 429 && r.status !== 503) || tries === 3) throw new Error(answer.error);
    await new Promise((done) => setTimeout(done, 1000 * Number(r.headers.get("Retry-After") || 1)));
  }
}

async function askAll(files) {
  let failed = 0;
  for (const [i, file] of files.entries()) {
    say("Picture " + (i + 1) + " of " + files.length + " …");
    try {
      show(file, await ask(file));
    } catch (e) {
      failed++;
      show(file, null, e.message);
    }
  }
  say(files.length + (files.length === 1 ? " picture" : " pictures") + (failed ? ", " + failed + " without an answer" : " answered"), failed > 0);
}

$("files").addEventListener("change", () => {
  askAll([...$("files").files]);
  $("files").value = "";
});
for (const event of ["dragenter", "dragover"]) {
  $("drop").addEventListener(event, (e) => { e.preventDefault(); $("drop").classList.add("over"); });
}
for (const event of ["dragleave", "drop"]) {
  $("drop").addEventListener(event, () => $("drop").classList.remove("over"));
}
$("drop").addEventListener("drop", (e) => { e.preventDefault(); askAll([...e.dataTransfer.files]); });
document.addEventListener("dragover", (e) => e.preventDefault());
document.addEventListener("drop", (e) => e.preventDefault());
document.addEventListener("paste", (e) => { if (e.clipboardData.files.length) askAll([...e.clipboardData.files]); });
$("ask").addEventListener("submit", (e) => e.preventDefault());
$("token").addEventListener("change", () => load().catch((e) => say(e.message, true)));
$("model").addEventListener("change", describe);
load().catch((e) => say(e.message, true));
