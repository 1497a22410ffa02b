// chat.js - a chat with presence, typing and private messages. ?view=projector only watches.

import { element, followNewest, takeFocus } from "./dom.js";
import { colourOf, fitsAddress, inventName, listNames, person, rememberedName, rememberName } from "./people.js";
import { isProjector, showJoinAddress, showPeople } from "./projector.js";
import { Session } from "./session.js";
import { showStatus } from "./status.js";

const MAX_ROWS = 500;
const TYPING_EVERY_MS = 2_000; // how often we say that we type
const TYPING_TTL_MS = 5_000; // how long we believe that others do
const ERROR_SHOWN_MS = 6_000;
const CANNOT_BE_A_NAME = 4522;

const $ = (id) => document.getElementById(id);
const [joinForm, nameInput, room, box, list, empty] = ["join", "name", "room", "box", "messages", "empty"].map($);
const [form, input, send, why] = ["form", "text", "send", "why"].map($);
const showNewest = followNewest(box);

let session = null;
let me = "";
let users = new Set();
let rules = { locked: false, slow_s: 0, muted: false };
let privateTo = null;
let lastSent = "";

// ------------------------------------------------------------------------------------------ joining

function askName(problem = "") {
  $("join-why").textContent = problem;
  joinForm.hidden = false;
  room.hidden = true;
  takeFocus(nameInput, { select: true });
}

joinForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = nameInput.value.trim();
  if (name.includes("/")) askName("A slash can't be part of a name: it would end this part of the address.");
  else if (!fitsAddress(name)) askName("This can't be a name: in an address it means a folder.");
  else if (name) join(name);
});

function join(name) {
  me = name;
  joinForm.hidden = true;
  start(`ws/${encodeURIComponent(name)}`);
  takeFocus(input);
}

function start(path) {
  room.hidden = false;
  session = new Session(path);
  session.addEventListener("welcome", ({ detail }) => welcomed(detail));
  session.addEventListener("message", ({ detail }) => handlers[detail.type]?.(detail));
  session.live.addEventListener("state", showForm);
  session.live.addEventListener("close", ({ detail }) => {
    if (detail.code === CANNOT_BE_A_NAME) askName(detail.reason);
  });
  showStatus(session.live);
  session.live.connect();
}

function welcomed(welcome) {
  if (me) rememberName(me);
  users = new Set(welcome.users);
  showUsers();
  setRules(welcome.rules);
  if (!welcome.again) return;
  const count = welcome.missed === 1 ? "1 message" : `${welcome.missed} messages`;
  addRow("divider", welcome.recovered ? `You are back: ${count} caught up` : "You are back; what was said meanwhile is lost");
}

// ----------------------------------------------------------------------------------------- receiving

const handlers = {
  message(message) {
    if (message.event) someoneCameOrWent(message);
    else {
      stopTyping(message.sender);
      addMessage(message);
    }
  },
  private: (message) => addMessage(message),
  typing: ({ sender }) => startTyping(sender),
  rules: setRules,
  cleared() {
    list.replaceChildren();
    addRow("system", "The host has cleared the chat.");
  },
  error(error) {
    const [happened, ...more] = error.detail.split("\n");
    showWhy([happened, ...more.filter((line) => line.startsWith("Try: "))].join(" "));
    if (["too_fast", "slow_mode", "muted", "not_here"].includes(error.code)) input.value ||= lastSent;
  },
};

function someoneCameOrWent({ event, user, message, timestamp }) {
  if (event === "joined") users.add(user);
  else users.delete(user);
  stopTyping(user);
  showUsers();
  addRow("system", message, timestamp);
}

// ------------------------------------------------------------------------------------------- sending

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value;
  if (text === "") return;
  const message = privateTo === null ? text : JSON.stringify({ type: "private", to: privateTo, message: text });
  if (!session.live.send(message)) return;
  lastSent = text;
  input.value = "";
  saidTypingAt = 0;
  showWhy("");
  input.focus();
});

let saidTypingAt = 0;
input.addEventListener("input", () => {
  // To type privately, or a text that is taken back, is nobody's business.
  if (privateTo !== null || input.value === "" || Date.now() - saidTypingAt < TYPING_EVERY_MS) return;
  if (session.live.sendJson({ type: "typing" })) saidTypingAt = Date.now();
});

function speakTo(user) {
  privateTo = user;
  $("to").hidden = user === null;
  $("to-name").textContent = user ?? "";
  input.placeholder = user === null ? "Say something to everyone" : `Only ${user} will read this`;
  input.focus();
}

$("to-all").addEventListener("click", () => speakTo(null));
form.addEventListener("keydown", (event) => event.key === "Escape" && speakTo(null));

// -------------------------------------------------------------------------------------------- typing

const typists = new Map(); // name -> timer

function startTyping(user) {
  clearTimeout(typists.get(user));
  typists.set(user, setTimeout(() => stopTyping(user), TYPING_TTL_MS));
  showTyping();
}

function stopTyping(user) {
  clearTimeout(typists.get(user));
  if (typists.delete(user)) showTyping();
}

function showTyping() {
  const names = [...typists.keys()];
  $("typing").textContent = names.length ? `${listNames(names)} ${names.length === 1 ? "is" : "are"} typing…` : "";
}

// -------------------------------------------------------------------------------------------- showing

function addMessage({ type, sender, to, message, timestamp }) {
  const mine = sender === me;
  const before = list.lastElementChild;
  const sameAsBefore = type === "message" && before?.dataset.sender === sender && before.dataset.type === type;
  const label = type === "private" ? (mine ? ` 🔒 privately to ${to}` : " 🔒 privately to you") : "";
  const row = element(
    "li",
    { class: "message", "data-type": type, "data-sender": sender, "data-who": colourOf(sender) },
    element(
      "p",
      { class: sameAsBefore ? "sr-only" : "message-head" },
      mine ? element("span", { class: "person" }, "You") : person(sender),
      label && element("span", { class: "quiet" }, label),
      element("time", { class: "quiet" }, timestamp),
    ),
    element("p", { class: "said" }, message),
  );
  row.classList.toggle("mine", mine);
  append(row);
}

function addRow(kind, text, timestamp = "") {
  append(
    element("li", { class: kind }, element("bdi", {}, text), timestamp && element("time", {}, ` ${timestamp}`)),
  );
}

function append(row) {
  list.append(row);
  while (list.children.length > MAX_ROWS) list.firstElementChild.remove();
  empty.hidden = true;
  showNewest();
}

function showUsers() {
  const names = [...users].sort();
  showPeople($("people"), $("people-title"), names);
  if (isProjector) return;
  $("people").replaceChildren(...names.map((name) => element("li", {}, personButton(name))));
  if (privateTo !== null && !users.has(privateTo)) showWhy(`${privateTo} has gone.`);
}

function personButton(name) {
  if (name === me) return element("p", { class: "myself" }, person(name), element("span", { class: "quiet" }, " (you)"));
  const button = element(
    "button",
    { type: "button", class: "plain person-button", "aria-label": `Write to ${name} privately`, title: "Write privately" },
    person(name),
    element("span", { "aria-hidden": "true" }, "🔒"),
  );
  button.addEventListener("click", () => speakTo(name));
  return button;
}

function setRules(news) {
  rules = news;
  const told = [];
  if (rules.muted) told.push("🔇 The host has muted you: you can read, and not speak.");
  if (rules.slow_s > 0) told.push(`🐢 Slow mode: one message in ${rules.slow_s} s.`);
  if (rules.locked) told.push("🔒 The chat is locked: nobody new can come in.");
  $("rules").textContent = told.join(" ");
  showForm();
}

function showForm() {
  const open = session.live.state === "open";
  send.disabled = !open || rules.muted;
  input.disabled = rules.muted;
  if (!open) showWhy("Sending waits for a connection. What you type stays here.", { stays: true });
  else if (why.dataset.stays) showWhy("");
}

let whyTimer;
function showWhy(text, { stays = false } = {}) {
  clearTimeout(whyTimer);
  why.textContent = text;
  if (stays) why.dataset.stays = "yes";
  else delete why.dataset.stays;
  if (text && !stays) whyTimer = setTimeout(() => (why.textContent = ""), ERROR_SHOWN_MS);
}

// ------------------------------------------------------------------------------------------- and go

if (isProjector) {
  showJoinAddress($("join-address")).then(() => ($("join-address").hidden = false));
  form.hidden = true;
  start("watch");
} else {
  if (matchMedia("(max-width: 44rem)").matches) $("people-box").open = false;
  const name = rememberedName();
  nameInput.value = name || inventName();
  if (name && fitsAddress(name)) join(name);
  else askName();
}
