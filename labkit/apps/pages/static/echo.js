// echo.js - sends what you type and shows what comes back, with the time it took.

import { element, followNewest, takeFocus } from "./dom.js";
import { Live } from "./live.js";
import { showJoinBeside } from "./projector.js";
import { showStatus } from "./status.js";

const MAX_ROWS = 500;

const [form, input, send, why] = find("form", "text", "send", "why");
const [box, list, empty, summary, clear] = find("box", "replies", "empty", "summary", "clear");
const showNewest = followNewest(box);

const live = new Live("ws"); // relative to this page: any host, port and path prefix
showStatus(live);

// The server answers every frame in order, so the next reply belongs to the oldest frame without one.
const unanswered = []; // [{row, sentAt}]
let roundTripsMs = [];
let number = 0;

// ----- send

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value; // may be empty: an empty frame is a frame
  const row = addRow();
  row.append(line("sent", "sent", text), element("p", { class: "pending" }, "waiting for the reply…"));
  input.value = "";
  input.focus();
  // Sent once the row is painted: a browser paints before it hears what the network has brought, and
  // the clock would show the painting, some 16 ms, instead of the way there and back.
  requestAnimationFrame(() => setTimeout(() => sendTimed(text, row)));
});

function sendTimed(text, row) {
  const exchange = { row, sentAt: performance.now() };
  if (live.send(text)) {
    unanswered.push(exchange);
  } else {
    lose(exchange, "not sent: the connection ended first");
    input.value ||= text;
  }
}

// ----- receive

live.addEventListener("message", ({ data }) => {
  const now = performance.now();
  const text = typeof data === "string" ? data : `(binary, ${data.byteLength} bytes)`;
  const exchange = unanswered.shift();
  const row = exchange ? exchange.row : addRow();
  row.querySelector(".pending")?.remove();
  row.append(line("received", exchange ? "received" : "received, unasked", text));
  if (exchange) {
    const tookMs = now - exchange.sentAt;
    row.append(element("span", { class: "took", title: "round trip" }, `${tookMs.toFixed(1)} ms`));
    roundTripsMs = [...roundTripsMs.slice(1 - MAX_ROWS), tookMs];
  }
  summarise();
  showNewest();
});

// A new connection answers nothing that was asked on an old one.
live.addEventListener("close", () => {
  for (const exchange of unanswered.splice(0)) lose(exchange, "no reply: the connection ended first");
});

function lose({ row }, why) {
  row.querySelector(".pending").replaceWith(element("p", { class: "lost" }, why));
}

// ----- show

live.addEventListener("state", () => {
  send.disabled = live.state !== "open";
  why.textContent = send.disabled ? "Sending waits for a connection. What you type stays here." : "";
});

clear.addEventListener("click", () => {
  list.replaceChildren(...unanswered.map(({ row }) => row)); // their replies are still to come
  roundTripsMs = [];
  summarise();
  empty.hidden = list.children.length > 0;
  input.focus();
});

function addRow() {
  number += 1;
  const row = element("li", { class: "exchange", "data-number": number });
  list.append(row);
  if (list.children.length > MAX_ROWS) list.firstElementChild.remove();
  empty.hidden = true;
  showNewest();
  return row;
}

function line(direction, label, text) {
  return element(
    "p",
    { class: `frame ${direction}` },
    element("span", { class: "sr-only" }, `${label}: `),
    text === "" ? element("em", { class: "quiet" }, "(empty frame)") : element("span", { class: "said" }, text),
  );
}

function summarise() {
  const sorted = [...roundTripsMs].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  summary.textContent = sorted.length ? `${sorted.length} · median ${median.toFixed(1)} ms` : "";
}

function find(...ids) {
  return ids.map((id) => document.getElementById(id));
}

live.connect();
takeFocus(input);

showJoinBeside();
