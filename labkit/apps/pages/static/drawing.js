// drawing.js - one board for everybody. ?view=projector only watches. The parts are in drawing/, each with one job;
// here they meet.

import { Artists } from "./drawing/artists.js";
import { Board } from "./drawing/board.js";
import { Cursors } from "./drawing/cursors.js";
import { Hand } from "./drawing/hand.js";
import { keepDrawings } from "./drawing/keeping.js";
import { followKeys } from "./drawing/keyboard-pen.js";
import { Line } from "./drawing/line.js";
import { marker } from "./drawing/markers.js";
import { Outbox } from "./drawing/outbox.js";
import { followPointers } from "./drawing/pointer.js";
import { Sheet } from "./drawing/sheet.js";
import { followToolbar } from "./drawing/toolbar.js";
import { element, takeFocus } from "./dom.js";
import { inventName, rememberedName, rememberName } from "./people.js";
import { isProjector, showJoinAddress } from "./projector.js";
import { showStatus } from "./status.js";

const ERROR_SHOWN_MS = 8_000;
const CANNOT_BE_A_NAME = 4522;
const HOST = "host"; // the artist in whose name the host clears
const TOKEN_KEY = "labkit drawing token";
const BOARD_WARN_SHARE = 0.8;

const $ = (id) => document.getElementById(id);
const surface = $("live");

let line = null;
let me = { id: "", name: "", color: "#000000" };
let rules = { locked: false, muted: false, slow_s: 0 };
let limits = { items: Infinity };
let notice = "";
let isFull = false;

// --------------------------------------------------------------------------------- the parts, and who tells whom

const board = new Board();
const outbox = new Outbox(
  (message) => ready && line.live.sendJson(message),
  (stroke, problem) => {
    hand.lost(stroke, problem);
    if (!["gone", "ended", "used_id"].includes(problem.code)) showWhy(problem.detail);
  },
);
const artists = new Artists($("people"), $("people-title"), $("spoken"));
const cursors = new Cursors($("cursors"), (id) => artists.get(id));
const sheet = new Sheet($("base"), surface, {
  get items() {
    return board.items;
  },
  takeDamage: () => board.takeDamage(),
  get live() {
    return [...board.growing.filter(({ id }) => !outbox.has(id)), ...outbox.strokes]; // our own is ahead of the echo
  },
});
const toolbar = followToolbar($("tools"), act);
const hand = new Hand(outbox, {
  send: (message) => ready && line.live.sendJson(message),
  toolbar,
  color: () => me.color,
  mayDraw,
  changed: showBoard,
});

// ------------------------------------------------------------------------------------------------- joining

let ready = false; // the server has welcomed us on this connection

function askName(problem = "") {
  $("join-why").textContent = problem;
  $("join").hidden = false;
  $("studio").hidden = true;
  takeFocus($("name"), { select: true });
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (name) join(name);
});

function join(name) {
  $("join").hidden = true;
  start(new Line("ws/draw", board, { name, token: remembered(TOKEN_KEY) }));
}

function start(newLine) {
  $("studio").hidden = false;
  line = newLine;
  line.addEventListener("welcome", ({ detail }) => welcomed(detail));
  line.addEventListener("changed", ({ detail }) => changed(detail));
  line.addEventListener("cleared", ({ detail }) => cleared(detail));
  line.addEventListener("users", ({ detail }) => showUsers(detail.users));
  line.addEventListener("cursors", ({ detail }) => showCursors(detail));
  line.addEventListener("rules", ({ detail }) => setRules(detail));
  line.addEventListener("error", ({ detail }) => refused(detail));
  line.addEventListener("notice", ({ detail }) => showNotice(detail));
  line.addEventListener("saved", ({ detail }) => keeping.saved(detail));
  line.live.addEventListener("state", showState);
  line.live.addEventListener("close", ({ detail }) => {
    ready = false;
    keeping.lineIsDown();
    if (detail.code === CANNOT_BE_A_NAME) askName(detail.reason);
  });
  showStatus(line.live);
  line.live.connect();
}

function welcomed(welcome) {
  me = { id: welcome.artist_id, name: welcome.name, color: welcome.color };
  if (me.name) rememberName(me.name);
  remember(TOKEN_KEY, welcome.token);
  limits = welcome.limits;
  keeping.boardIs(welcome.board);
  hand.strokePoints = limits.stroke_points;
  hand.tickMs = welcome.tick_ms;
  outbox.limits = limits;
  notice = ""; // if it still holds, it is said again
  setRules(welcome.rules);
  showUsers(welcome.users, { silently: welcome.first });
  outbox.startAgain();
  ready = true;
  hand.sendSoon();
  showState();
}

// ------------------------------------------------------------------------------------------------- receiving

function changed({ finished, whole }) {
  if (whole) keeping.loaded();
  for (const id of finished) {
    if (!outbox.has(id)) continue;
    const item = board.get(id);
    if (item) outbox.confirmed(id, item.points.length / 2);
    else outbox.refused({ id, code: "gone" }); // finished and taken off the board within one batch
  }
  showBoard();
}

/** A board that is empty of a sudden wants a word about it. */
function cleared({ artist }) {
  if (artist === me.id) return;
  const who = artist === HOST ? "The host" : (artists.get(artist)?.name ?? "Somebody who has left");
  showWhy(`${who} has cleared the board.`);
}

function showUsers(users, { silently = false } = {}) {
  const known = users.map(({ artist_id: id, name, color }) => ({ id, name, color }));
  artists.replace(known, me.id, { silently });
  cursors.refresh();
  showMyself();
}

function showCursors(moved) {
  for (const [id, x, y] of moved) if (id !== me.id) cursors.move(id, x, y);
}

function refused(error) {
  const text = advice(error);
  if (error.id) outbox.refused({ ...error, detail: text });
  else if (["save", "load"].includes(error.about)) keeping.refused(text);
  else showWhy(text);
  hand.sendSoon();
}

/** What happened and what to try, without what only programs need. */
function advice({ detail }) {
  const [happened, ...more] = detail.split("\n");
  return [happened, ...more.filter((each) => each.startsWith("Try: "))].join(" ");
}

// ------------------------------------------------------------------------------------------------- drawing

followPointers(surface, hand);
followKeys(surface, $("cross"), hand, (text) => ($("pen-spoken").textContent = text));

function mayDraw() {
  return line !== null && me.id !== "" && !isProjector && !rules.muted && line.live.state !== "closed";
}

function act(what) {
  if (hand.isDown || isProjector) return;
  if (what === "undo" && outbox.takeBack()) {
    hand.sendSoon();
    return;
  }
  if (!ready) showWhy("There is no connection now: that has to wait.");
  else if (what === "clear") $("clear-dialog").showModal();
  else line.live.sendJson({ type: what });
}

$("clear-no").addEventListener("click", () => $("clear-dialog").close());
$("clear-yes").addEventListener("click", () => {
  $("clear-dialog").close();
  if (!ready || !line.live.sendJson({ type: "clear" })) showWhy("There is no connection now: nothing was cleared.");
});

const keeping = keepDrawings(
  {
    form: $("keep"),
    name: $("file-name"),
    load: $("load"),
    why: $("keep-why"),
    png: $("png"),
    svg: $("svg"),
    json: $("json"),
  },
  (message) => ready && line.live.sendJson(message),
  () => sheet.toPng(),
);

$("show-cursors").addEventListener("change", ({ target }) => (cursors.visible = target.checked));

// ------------------------------------------------------------------------------------------------- showing

function showBoard() {
  sheet.plan();
  const count = board.size;
  const text = count === 1 ? "1 stroke on the board." : `${count} strokes on the board.`;
  const isNearlyFull = count >= limits.items * BOARD_WARN_SHARE;
  setText($("count"), isNearlyFull ? `${text} It takes ${limits.items}: save it, and clear soon.` : text);
  $("first").hidden = isProjector || count > 0 || outbox.strokes.length > 0 || !ready;
  if (isFull !== count >= limits.items) {
    isFull = !isFull;
    showRules();
  }
  showWaiting();
}

function showState() {
  if (line.live.state !== "open") ready = false;
  showRules();
  showBoard();
}

function showWaiting() {
  const waiting = outbox.waiting;
  const offline = line?.live.state === "reconnecting" && mayDraw();
  const tooSoon = waiting > 0 && outbox.isHeldBack();
  const count = waiting === 1 ? "1 stroke waits" : `${waiting} strokes wait`;
  const text = waiting ? `Offline: ${count} to be sent.` : "Offline: draw on, it is sent later.";
  setText($("waiting"), offline ? text : tooSoon ? `${count} to be sent.` : "");
}

function setRules(news) {
  rules = news;
  showRules();
}

function showRules() {
  const told = [];
  if (rules.locked) told.push("🔒 The board is locked: nobody new can come in.");
  if (rules.muted) told.push("🔇 The host lets you look, and not draw, for now.");
  else if (rules.slow_s > 0) told.push(`🐢 Slow mode: one stroke in ${rules.slow_s} s.`);
  if (isFull) told.push("📄 The board is full: it takes more when it is cleared, or something is undone.");
  if (notice) told.push(`💾 ${notice}`);
  setText($("rules"), told.join(" "));
  $("tools").classList.toggle("idle", !mayDraw());
  surface.setAttribute("aria-disabled", String(!mayDraw()));
  toolbar.allow(!mayDraw() ? [] : ready ? ["undo", "redo", "clear"] : ["undo"]);
}

function showNotice({ code, detail }) {
  notice = code === "not_saved" ? detail : "";
  showRules();
}

function showMyself() {
  const mine = artists.get(me.id);
  if (!mine) return;
  $("myself").style.setProperty("--ink-of-artist", mine.ink);
  $("myself").replaceChildren(marker(mine.marker, "currentColor"), element("bdi", {}, mine.name));
}

/** Change a text only if it is another one: what is read aloud is not to be read twice. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let whyTimer;
function showWhy(text) {
  clearTimeout(whyTimer);
  $("why").textContent = text;
  whyTimer = setTimeout(() => ($("why").textContent = ""), ERROR_SHOWN_MS);
}

// The paper follows the theme, and so does the ink that would not be seen on it.
const dark = matchMedia("(prefers-color-scheme: dark)");
function showPaper() {
  const paper = getComputedStyle(document.documentElement).getPropertyValue("--board").trim();
  sheet.paper = paper;
  artists.paper = paper;
  cursors.refresh();
  showMyself();
}
dark.addEventListener("change", showPaper);
showPaper();

// -------------------------------------------------------------------------------------------------- memory

// What this tab was before it was loaded again. Some frames allow no storage.
function remember(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // then a reload makes a new artist
  }
}

function remembered(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

// -------------------------------------------------------------------------------------------------- and go

if (matchMedia("(max-width: 44rem), (max-height: 34rem)").matches) $("keep-box").open = false;
if (matchMedia("(max-height: 34rem)").matches) $("people-box").open = false;
$("name").value = rememberedName() || inventName();
if (isProjector) {
  showJoinAddress($("join-address")).then((there) => ($("join-address").hidden = !there));
  start(new Line("watch", board));
} else if (rememberedName()) join(rememberedName());
else askName();
