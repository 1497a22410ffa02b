// pitfalls.js - a chat and some slow work beside it, and a meter that shows whether one delays the other.

import { Chart } from "./chart.js";
import { element, followNewest } from "./dom.js";
import { Live } from "./live.js";
import { fitsAddress, inventName, person, rememberedName, rememberName } from "./people.js";
import { showJoinBeside } from "./projector.js";
import { showChip, showStatus } from "./status.js";

const MAX_ROWS = 300;
const MAX_JOBS = 8;
const WINDOW_MS = 30_000;
const PROBE_EVERY_MS = 1_000;
const PROBE_WHILE_WORKING_MS = 200;

const byId = (id) => document.getElementById(id);
const [form, input, send, why] = ["form", "text", "send", "why"].map(byId);
const [box, messages, empty, jobs] = ["box", "messages", "empty", "jobs"].map(byId);
const showNewest = followNewest(box);

// ----- the chat

const remembered = rememberedName().trim();
const me = (fitsAddress(remembered) && remembered) || `${inventName()} ${Math.floor(Math.random() * 90) + 10}`;
rememberName(me);
byId("me").replaceChildren("You are ", person(me));

const chat = new Live(`ws/${encodeURIComponent(me)}`);
showStatus(chat);
const unheard = []; // [{text, sentAt}]: what we said and have not heard yet

chat.addEventListener("state", () => {
  send.disabled = chat.state !== "open";
  why.textContent = send.disabled ? "Sending waits for a connection. What you type stays here." : "";
});

chat.addEventListener("close", () => unheard.splice(0));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value;
  if (text === "" || !chat.send(text)) return;
  unheard.push({ text, sentAt: performance.now() });
  input.value = "";
  input.focus();
});

chat.addEventListener("message", ({ data }) => {
  const now = performance.now();
  const message = parse(data);
  if (message === null) return;
  if (message.type === "error") {
    unheard.shift();
    [why.textContent] = message.detail.split("\n");
    return;
  }
  if (message.sender === "system") {
    add(element("li", { class: "system" }, message.message));
    return;
  }
  // Everything we say comes back to us, in order: so the first that is unheard is this one.
  const mine = message.sender === me && unheard[0]?.text === message.message ? unheard.shift() : null;
  const took = mine && element("span", { class: "quiet" }, `${(now - mine.sentAt).toFixed(0)} ms`);
  const head = element("p", { class: "message-head" }, person(message.sender), took);
  const said = element("p", { class: "said" }, message.message);
  add(element("li", { class: message.sender === me ? "message mine" : "message" }, head, said));
});

function parse(data) {
  try {
    const message = JSON.parse(data);
    return typeof message.message === "string" || typeof message.detail === "string" ? message : null;
  } catch {
    return null;
  }
}

function add(row) {
  const name = row.querySelector(".person");
  if (name) row.dataset.who = name.dataset.who;
  messages.append(row);
  if (messages.children.length > MAX_ROWS) messages.firstElementChild.remove();
  empty.hidden = true;
  showNewest();
}

// ----- the work

const worker = new Live("ws/work");
showChip(byId("work-chip"), worker, { brief: true });
const waiting = []; // [{row, bar, words, askedAt}], answered in their order
const times = []; // [{from, to}] of work, for the chart
let usualMs = 5_000; // how long the work took the last time

worker.addEventListener("state", () => {
  for (const id of ["work", "work-five"]) byId(id).disabled = worker.state !== "open";
});
byId("work").addEventListener("click", () => ask());
byId("work-five").addEventListener("click", () => {
  for (let count = 0; count < 5; count += 1) ask();
});

function ask() {
  if (!worker.send("work")) return;
  const words = element("span", {}, "waiting…");
  const bar = element("progress", { max: 1, value: 0, "aria-label": "Work under way" });
  const row = element("li", { class: "job", "data-tone": "wait" }, words, element("span", { class: "quiet" }), bar);
  jobs.prepend(row);
  while (jobs.children.length > MAX_JOBS && !waiting.some((job) => job.row === jobs.lastElementChild)) {
    jobs.lastElementChild.remove();
  }
  const time = { from: Date.now(), to: null };
  times.push(time);
  waiting.push({ row, bar, words, time, askedAt: performance.now() });
  probeSoon();
}

worker.addEventListener("message", ({ data }) => {
  const job = waiting.shift();
  if (!job) return;
  const tookMs = performance.now() - job.askedAt;
  usualMs = Math.max(tookMs, 1);
  finish(job, { tone: "good", text: String(data), tookMs });
});

worker.addEventListener("close", () => {
  for (const job of waiting.splice(0)) finish(job, { tone: "bad", text: "no answer: the connection ended first" });
});

function finish({ row, bar, words, time }, { tone, text, tookMs }) {
  time.to = Date.now();
  row.dataset.tone = tone;
  words.textContent = text;
  row.children[1].textContent = tookMs === undefined ? "" : `after ${(tookMs / 1_000).toFixed(1)} s`;
  bar.remove();
}

setInterval(() => {
  for (const { row, bar, askedAt } of waiting) {
    const soFarMs = performance.now() - askedAt;
    bar.value = Math.min(0.98, soFarMs / usualMs);
    row.children[1].textContent = `${(soFarMs / 1_000).toFixed(1)} s`;
  }
}, 100);

// ----- the meter: a request to the same server, again and again, and how long its answer takes

const chart = new Chart(byId("chart"), {
  label: "Waiting time",
  unit: "ms",
  leastMax: 40,
  windowMs: WINDOW_MS,
  gapMs: WINDOW_MS, // a long time without a value is what this is about: somebody waited
});
let nextProbe = null;
let probing = false;

async function probe() {
  nextProbe = null;
  if (!document.hidden && !probing) {
    probing = true;
    const startedAt = performance.now();
    const works = await fetch("static/favicon.svg", { cache: "no-store" }).then(
      (response) => response.ok,
      () => false, // the server is away; the chip says so
    );
    probing = false;
    if (works) show(performance.now() - startedAt);
  }
  plan(waiting.length ? PROBE_WHILE_WORKING_MS : PROBE_EVERY_MS);
}

function plan(delayMs) {
  clearTimeout(nextProbe);
  nextProbe = setTimeout(probe, delayMs);
}

function probeSoon() {
  if (!probing) plan(0);
}

function show(tookMs) {
  chart.add(Date.now(), Math.round(tookMs));
  while (times.length && times[0].to !== null && times[0].to < Date.now() - WINDOW_MS) times.shift();
  chart.draw({ marks: merged(times) });
  byId("latency").textContent = tookMs.toFixed(0);
  const worst = Math.max(...chart.points.map((point) => point.value));
  byId("worst").textContent = `worst ${worst} ms`;
}

/** Times that overlap, as one: five jobs at once are shaded once. */
function merged(spans) {
  const whole = [];
  for (const { from, to } of spans) {
    const last = whole.at(-1);
    if (last && (last.to === null || from <= last.to)) last.to = last.to === null || to === null ? null : Math.max(last.to, to);
    else whole.push({ from, to });
  }
  return whole;
}

chat.connect();
worker.connect();
probe();

showJoinBeside();
