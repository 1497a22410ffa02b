// lifecycle.js - the three phases of a connection, seen from the browser and from the server.
//
// On this page a connection does nothing by itself: it doesn't open on load, and it doesn't come back.

import { closeMeaning, closeName } from "./close-codes.js";
import { element, followNewest } from "./dom.js";
import { Live } from "./live.js";
import { showJoinBeside } from "./projector.js";
import { describeClose, selfTest, showChip } from "./status.js";

const cards = document.querySelector("#connections");
const template = document.querySelector("#connection");
const [notices, footer] = ["#notices", "#footer"].map((id) => document.querySelector(id));
const test = selfTest(notices, footer, { probe: true }); // nothing opens by itself here: test with a probe

// ------------------------------------------------------------------------- one card, one connection

const STATE_TEXTS = {
  connecting: "The browser has sent an HTTP request with “Upgrade: websocket” and waits for status 101.",
  open: "Both sides may send at any time, and neither has to wait for the other.",
  closing: "Your close frame is on its way; the server answers with one of its own.",
  closed: "Nothing has been sent yet. Connecting starts with an HTTP request to",
};
const MIN_LIT_MS = 450; // some states last a millisecond: each stays lit long enough to be seen
const MAX_REASON_BYTES = 123; // a close frame holds 125 bytes, two of them the code

let cardNumber = 0;

function addCard(clientId) {
  cardNumber += 1;
  const title = `Connection ${cardNumber}`;
  const card = template.content.firstElementChild.cloneNode(true);
  const part = (name) => card.querySelector(`[data-part="${name}"]`);
  const [connectForm, sendForm, closeForm] = ["connect", "send", "close"].map(part);
  const talk = card.querySelector(".talk");
  const showNewest = followNewest(talk);
  card.setAttribute("aria-label", title);
  card.querySelector("h3").textContent = title;
  connectForm.elements.client.value = clientId;

  let live = null; // a new one for each time that Connect is pressed: the address may have changed
  const showState = stateDiagram(card);

  const say = (direction, text) => {
    talk.append(element("li", { class: `frame ${direction}` }, element("span", { class: "said" }, text)));
    showNewest();
  };

  function newLive() {
    live = new Live(`ws/${encodeURIComponent(connectForm.elements.client.value)}`, { reconnect: false });
    showChip(part("chip"), live, { brief: true });
    test.watch(live);
    live.addEventListener("state", () => {
      enable();
      showState(live);
    });
    live.addEventListener("open", refreshSoon);
    live.addEventListener("message", ({ data }) => {
      say("received", data);
      refreshSoon();
    });
    live.addEventListener("close", refreshSoon);
  }

  function enable() {
    const closed = live.state === "closed";
    for (const control of connectForm.elements) control.disabled = !closed;
    sendForm.querySelector("button").disabled = live.state !== "open";
    closeForm.querySelector("button").disabled = !["connecting", "open"].includes(live.state);
    const phase = { connecting: "connect", open: "send", closing: "close" }[live.state] ?? "connect";
    for (const form of [connectForm, sendForm, closeForm]) form.classList.toggle("now", form === part(phase));
  }

  connectForm.elements.client.addEventListener("input", ({ target }) => checkClientId(target));
  connectForm.addEventListener("submit", (event) => {
    event.preventDefault();
    talk.replaceChildren();
    newLive();
    live.connect();
    sendForm.elements.text.focus();
  });

  sendForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text } = sendForm.elements;
    if (!live.send(text.value)) return;
    say("sent", text.value || "(empty frame)");
    text.select();
    text.focus();
  });

  closeForm.elements.reason.addEventListener("input", ({ target }) => checkReason(target));
  closeForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const { code, reason } = closeForm.elements;
    live.close(code.value === "" ? null : Number(code.value), reason.value);
    connectForm.elements.client.focus();
  });

  part("remove").setAttribute("aria-label", `Remove connection ${cardNumber}`);
  part("remove").addEventListener("click", () => {
    live.close();
    card.remove();
    showRemoveButtons();
    document.querySelector("#add").focus();
  });

  newLive();
  enable();
  card.querySelector(".state-text").textContent = stateText(live);
  cards.append(card);
  showRemoveButtons();
  return card;
}

/** The last card stays. */
function showRemoveButtons() {
  for (const button of cards.querySelectorAll('[data-part="remove"]')) button.hidden = cards.children.length < 2;
}

/** What can't be a segment of an address is refused here, with the reason. */
function checkClientId(input) {
  const id = input.value;
  let problem = "";
  if (id.includes("/")) problem = "A slash would end this part of the address.";
  else if (id === "." || id === "..") problem = "In an address, this means a folder.";
  input.setCustomValidity(problem);
  input.reportValidity();
}

function checkReason(input) {
  const bytes = new TextEncoder().encode(input.value).length;
  const problem = `A close frame has room for ${MAX_REASON_BYTES} bytes of reason; this has ${bytes}.`;
  input.setCustomValidity(bytes > MAX_REASON_BYTES ? problem : "");
  input.reportValidity();
}

// ------------------------------------------------------------------------------ the diagram of states

/**
 * Light the present state in a card's diagram, and write below each state how long it lasted.
 * The diagram may lag behind: it shows every state for MIN_LIT_MS. The times are the true ones.
 */
function stateDiagram(card) {
  const nodes = [...card.querySelectorAll(".states li")];
  const text = card.querySelector(".state-text");
  const waiting = []; // states still to be lit
  let lit = null;
  let since = performance.now();
  let busy = false;

  function light({ state, says, lastedMs }) {
    if (state === "connecting") {
      for (const node of nodes) {
        node.classList.remove("past");
        node.querySelector(".state-time").textContent = "";
      }
    } else {
      const left = nodes.find((node) => node.dataset.state === lit);
      left.classList.add("past");
      left.querySelector(".state-time").textContent = duration(lastedMs);
    }
    for (const node of nodes) {
      if (node.dataset.state === state) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    }
    text.textContent = says;
    lit = state;
  }

  function next() {
    busy = waiting.length > 0;
    if (!busy) return;
    light(waiting.shift());
    setTimeout(next, MIN_LIT_MS);
  }

  return (live) => {
    const now = performance.now();
    waiting.push({ state: live.state, says: stateText(live), lastedMs: now - since });
    since = now;
    if (!busy) next();
  };
}

function stateText({ state, lastClose, url }) {
  if (state !== "closed") return STATE_TEXTS[state];
  if (!lastClose) return `${STATE_TEXTS.closed} ${url}`;
  const { code, by, opened } = lastClose;
  if (by === "client") return `${describeClose(lastClose)}.`;
  if (opened) return `${describeClose(lastClose)}. ${closeMeaning(code)}`;
  return "It was never open: no server is there, or it refused. Browsers don't tell a page which.";
}

function duration(ms) {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

// -------------------------------------------------------------------------------- the server's view

const REFRESH_MS = 2_000;
const MAX_EVENTS_SHOWN = 300;

const box = document.querySelector("#box");
const list = document.querySelector("#events");
const empty = document.querySelector("#empty");
const summary = document.querySelector("#summary");
const showNewestEvent = followNewest(box);

let shown = []; // the events on the page, as JSON
let refreshing = false;
let refreshAgain = false;

/** Fetch the list now, or once more when a fetch is already under way. */
async function refresh() {
  refreshAgain = refreshing;
  if (refreshing) return;
  refreshing = true;
  try {
    const response = await fetch(new URL("events", document.baseURI), { cache: "no-store" });
    if (response.ok) showEvents(await response.json());
    else summary.textContent = `GET events: status ${response.status}`;
  } catch {
    summary.textContent = shown.length ? "no answer: this is what it last said" : "no answer";
  }
  refreshing = false;
  if (refreshAgain) refresh();
}

/** The server writes its note around the time that we hear of it: ask now, and again a little later. */
function refreshSoon() {
  refresh();
  setTimeout(refresh, 150);
}

function showEvents(events) {
  const all = events.map((event) => JSON.stringify(event));
  const first = Math.max(0, all.length - MAX_EVENTS_SHOWN);
  // The list only grows, unless the server was started again: then it is shown anew.
  const grown = shown.every((event, i) => event === all[i]) && list.children.length === shown.length;
  if (!grown || first > 0) list.replaceChildren();
  for (let i = first > 0 ? first : list.children.length; i < events.length; i += 1) list.append(row(events[i], i));
  if (all.length !== shown.length || !grown) showNewestEvent();
  shown = all;
  empty.hidden = events.length > 0;
  const open = events.reduce((n, { event }) => n + ({ connected: 1, disconnected: -1 }[event] ?? 0), 0);
  summary.textContent = `${events.length} events · ${open} open`;
}

function row({ event, client_id, message, code }, index) {
  return element(
    "li",
    { class: "event", "data-event": event },
    element("span", { class: "event-number" }, String(index + 1)),
    element(
      "div",
      { class: "event-head" },
      element("span", { class: "event-name" }, event),
      element("span", { class: "event-client", "data-who": whoNumber(client_id) }, client_id),
    ),
    event === "received" ? element("span", { class: "said" }, message || "(empty frame)") : null,
    event === "disconnected" ? codeText(code) : null,
  );
}

function codeText(code) {
  return element(
    "span",
    { class: "event-code" },
    element("strong", {}, `${code} ${closeName(code)}`),
    ` ${closeMeaning(code)}`,
  );
}

const whoNumbers = new Map();

/** 1-8: the same colour for the same client id, see --who-1 ... --who-8 in labkit.css. */
function whoNumber(clientId) {
  if (!whoNumbers.has(clientId)) whoNumbers.set(clientId, (whoNumbers.size % 8) + 1);
  return whoNumbers.get(clientId);
}

// ------------------------------------------------------------------------------------------ start

function friendlyWord() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  return (
    pick(["brave", "calm", "clever", "fast", "gentle", "happy", "lucky", "quiet", "sunny", "witty"]) +
    "-" +
    pick(["badger", "falcon", "fox", "heron", "lynx", "otter", "owl", "panda", "robin", "tiger"])
  );
}

document.querySelector("#add").addEventListener("click", () => {
  // The same id as the last card: several connections may share one.
  const ids = [...cards.querySelectorAll('[name="client"]')].map((input) => input.value);
  const card = addCard(ids.at(-1) || friendlyWord());
  card.scrollIntoView({ block: "nearest" });
  card.querySelector('[name="client"]').focus();
});

setInterval(() => document.hidden || refresh(), REFRESH_MS);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
addCard(friendlyWord());
refresh();

showJoinBeside();
