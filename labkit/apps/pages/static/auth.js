// auth.js - logs in, opens the WebSocket with the token, shows how long it is good, renews it.
//
// The token lives in this module's memory alone: not in the address bar, not in storage, and never whole on
// the screen. Its signature is shown as dots, because whoever photographs the rest still can't use it.

import { element, followNewest } from "./dom.js";
import { Live } from "./live.js";
import { showJoinBeside } from "./projector.js";
import { describeClose, selfTest, showChip } from "./status.js";

const RENEW_BEFORE_MS = 10_000; // or in the last third, of tokens that don't live for long
const MAX_ROWS = 200;
const ATTACK_TIMEOUT_MS = 5_000;

const byId = (id) => document.getElementById(id);
const [login, loginWhy, tokenPanel, form, input] = ["login", "login-why", "token-panel", "form", "text"].map(byId);
const [box, said, empty, send, why, summary] = ["box", "said", "empty", "send", "why", "summary"].map(byId);
const [renewButton, auto, countdown, timeBar] = ["renew", "auto", "countdown", "time-bar"].map(byId);
const showNewest = followNewest(box);
new ResizeObserver(showNewest).observe(box); // what others need of the page, this box gives up
const test = selfTest(byId("notices"), byId("footer"), { probe: true });

let token = null; // {text, header, payload, gotAt, lifetimeMs, expiresAt}, times by this browser's clock
let live = null; // the connection that was opened with it
let expired = null; // the last token that has expired, to show that it opens nothing any more

// ----- 1 get a token

login.addEventListener("submit", async (event) => {
  event.preventDefault();
  loginWhy.textContent = "";
  const [username, password] = [byId("username").value, byId("password").value];
  take(await post("token", { json: { username, password } }));
});

async function renew() {
  if (token === null || left() <= 0) return;
  renewButton.disabled = true;
  take(await post("token/renew", { headers: { Authorization: `Bearer ${token.text}` } }));
  renewButton.disabled = left() <= 0;
}

renewButton.addEventListener("click", renew);

/** POST and return the token in the answer, or null after saying what was wrong. */
async function post(path, { json, headers = {} }) {
  const options = { method: "POST", headers };
  if (json) {
    options.body = JSON.stringify(json);
    headers["Content-Type"] = "application/json";
  }
  try {
    const response = await fetch(new URL(path, document.baseURI), options);
    const answer = await response.json();
    if (response.ok) return answer;
    const detail = typeof answer.detail === "string" ? answer.detail : "the server did not understand it";
    loginWhy.textContent = `Refused: ${response.status}, ${detail}.`;
  } catch {
    loginWhy.textContent = "The server did not answer.";
  }
  return null;
}

/** Use a new token: open a connection with it, and only then let go of the one before. */
function take(answer) {
  if (answer === null) return;
  const [header, payload] = answer.access_token.split(".").slice(0, 2).map(decodePart);
  const lifetimeMs = answer.expires_in * 1_000;
  const now = Date.now();
  const renewed = token !== null && live?.state === "open";
  token = { text: answer.access_token, header, payload, gotAt: now, lifetimeMs, expiresAt: now + lifetimeMs };
  byId("header").textContent = pretty(header);
  byId("payload").textContent = pretty(payload);
  tokenPanel.hidden = false;
  openWith(token, { renewed });
  draw();
}

function decodePart(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function encodePart(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** JSON, one field a line if one line is too short, with times as people read them beside the numbers. */
function pretty(value) {
  const short = JSON.stringify(value).replaceAll('":', '": ').replaceAll(',"', ', "');
  if (short.length <= 40) return short;
  const lines = Object.entries(value).map(([name, field]) => {
    const moment = ["iat", "exp", "nbf"].includes(name) && Number.isFinite(field);
    const clock = moment ? `  ← ${new Date(field * 1_000).toLocaleTimeString()}` : "";
    return `  "${name}": ${JSON.stringify(field)}${clock}`;
  });
  return `{\n${lines.join(",\n")}\n}`;
}

// ----- how long it is good

function left() {
  return token === null ? 0 : token.expiresAt - Date.now();
}

function isNearlyOver() {
  return left() <= Math.min(RENEW_BEFORE_MS, token.lifetimeMs / 3);
}

function draw() {
  if (token === null) return;
  const leftMs = left();
  const tone = leftMs <= 0 ? "bad" : isNearlyOver() ? "wait" : "good";
  byId("time-left").dataset.tone = tone;
  byId("time-words").textContent = leftMs > 0 ? "expires in" : "expired";
  countdown.textContent = leftMs > 0 ? `${Math.ceil(leftMs / 1_000)} s` : `${Math.floor(-leftMs / 1_000)} s ago`;
  timeBar.value = Math.max(0, Math.min(1, leftMs / token.lifetimeMs));
  renewButton.disabled = leftMs <= 0;
  if (leftMs <= 0) expired = token;
}

setInterval(() => {
  draw();
  if (auto.checked && token !== null && !renewButton.disabled && isNearlyOver()) renew();
}, 250);

// ----- 2 talk

// How many answers a connection still owes: a welcome, and one for each text. One that was replaced stays
// until it has given them all, so nothing that was said gets lost in a renewal.
const owed = new WeakMap();
const replaced = new WeakSet();

function openWith(fresh, { renewed }) {
  const now = new Live(`ws/secure?token=${fresh.text}`);
  test.watch(now);
  now.addEventListener("open", () => owed.set(now, 1));
  now.addEventListener("state", () => now === live && enable());
  now.addEventListener("message", ({ data }) => {
    owed.set(now, owed.get(now) - 1);
    if (now !== live && !replaced.has(now)) {
      replace(live);
      use(now);
      note("Renewed: a new connection with the new token, then the old one closed.");
    }
    add(element("li", { class: "exchange" }, line("received", "received", String(data))));
    if (replaced.has(now)) closeIfDone(now);
  });
  now.addEventListener("close", ({ detail }) => {
    if (!replaced.has(now) && detail.by !== "client") note(describeClose(detail), "bad");
  });
  if (!renewed) {
    if (live) replace(live);
    use(now);
  }
  now.connect();
}

function use(now) {
  live = now;
  const chip = element("div"); // one a connection: the closing of the old one must not paint over the new one
  byId("chip").replaceChildren(chip);
  showChip(chip, now);
  enable();
}

function replace(old) {
  replaced.add(old);
  closeIfDone(old);
}

function closeIfDone(old) {
  if (old.state !== "open" || owed.get(old) <= 0) old.close(1000, "replaced by a newer connection");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value;
  if (!live?.send(text)) return;
  owed.set(live, owed.get(live) + 1);
  add(element("li", { class: "exchange" }, line("sent", "sent", text)));
  input.value = "";
  input.focus();
});

function enable() {
  send.disabled = live?.state !== "open";
  why.textContent = send.disabled ? "Sending waits for a connection." : "";
  summary.textContent = live?.state === "open" ? `as ${token.payload.user_id}` : "";
}

function add(row) {
  said.append(row);
  if (said.children.length > MAX_ROWS) said.firstElementChild.remove();
  empty.hidden = true;
  showNewest();
}

function note(text, tone = "off") {
  add(element("li", { class: "notice", "data-tone": tone }, text));
}

function line(direction, label, text) {
  const shown = text === "" ? element("em", { class: "quiet" }, "(empty frame)") : text;
  return element(
    "p",
    { class: `frame ${direction}` },
    element("span", { class: "sr-only" }, `${label}: `),
    element("span", { class: "said" }, shown),
  );
}

// ----- 3 try to get in without

const withPayload = (changes) => {
  const [header, , signature] = token.text.split(".");
  return [header, encodePart({ ...token.payload, ...changes }), signature].join(".");
};

const ATTACKS = [
  { name: "No token", make: () => "" },
  { name: "Somebody else's name", make: () => withPayload({ user_id: "eve" }), needs: () => token },
  { name: "A later end", make: () => withPayload({ exp: token.payload.exp + 86_400 }), needs: () => token },
  {
    name: "alg: none",
    make: () => `${encodePart({ alg: "none", typ: "JWT" })}.${encodePart(token.payload)}.`,
    needs: () => token,
  },
  { name: "The expired one", make: () => expired.text, needs: () => expired },
];

for (const { name, make, needs = () => true } of ATTACKS) {
  const button = element("button", { type: "button", class: "plain", "data-attack": name }, name);
  byId("attacks").append(button);
  const allow = () => (button.disabled = !needs());
  setInterval(allow, 500);
  allow();
  button.addEventListener("click", async () => {
    button.disabled = true;
    showOutcome(name, await tryToEnter(make()));
    allow();
  });
}

/** Open a connection with a token and return {welcome} or {code, reason}, whichever comes first. */
function tryToEnter(text) {
  return new Promise((resolve) => {
    const attempt = new Live(`ws/secure${text ? `?token=${text}` : ""}`, { reconnect: false });
    const timer = setTimeout(() => attempt.close(), ATTACK_TIMEOUT_MS);
    const finish = (outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    };
    attempt.addEventListener("message", ({ data }) => {
      finish({ welcome: String(data) });
      attempt.close();
    });
    attempt.addEventListener("close", ({ detail }) => finish(detail));
    attempt.connect();
  });
}

function showOutcome(name, { welcome, code, reason }) {
  const row = element(
    "li",
    { class: "outcome", "data-tone": welcome ? "bad" : "good" },
    element("span", { "aria-hidden": "true" }, welcome ? "✗" : "✓"),
    element("span", {}, name),
    element("span", {}, welcome ? `let in: ${welcome}` : `${code} ${reason || "refused"}`),
  );
  byId("outcomes").prepend(row);
  while (byId("outcomes").children.length > ATTACKS.length) byId("outcomes").lastElementChild.remove();
}

byId("chip").replaceChildren(element("span", { class: "chip", "data-tone": "off" }, "Not connected"));
enable();

showJoinBeside();
