// rooms.js - several rooms side by side, each over a WebSocket of its own, so that one sees that nothing
// leaks. ?rooms=red,blue chooses them, ?view=projector only watches.

import { element, followNewest } from "./dom.js";
import { colourOf, fitsAddress, inventName, person, rememberedName, rememberName } from "./people.js";
import { isProjector, showJoinAddress } from "./projector.js";
import { Session } from "./session.js";
import { selfTest, showChip } from "./status.js";

const DEFAULT_ROOMS = ["red", "green", "blue"];
const MAX_ROWS = 300;
const MAX_ROOMS = 4;

const $ = (id) => document.getElementById(id);
const nameInput = $("name");
const test = selfTest($("notices"), $("footer"));

// ------------------------------------------------------------------------------------------ one room

class RoomColumn {
  constructor(name) {
    this.name = name;
    this.panel = $("room").content.firstElementChild.cloneNode(true);
    this.panel.setAttribute("aria-label", `Room ${name}`);
    this.panel.querySelector("bdi").textContent = name;
    this.tab = element("button", { type: "button", class: "tab", "aria-pressed": "false" }, element("bdi", {}, name));
    this.unread = 0;
    this.users = new Set();
    this.showNewest = followNewest(this.part("box"));
    this.part("box").setAttribute("aria-label", `Messages in ${name}`);
    const form = this.part("form");
    form.elements.text.setAttribute("aria-label", `Message to ${name}`);
    form.elements.text.placeholder = `Say something in ${name}`;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.elements.text.value === "" || !this.session.live.send(form.elements.text.value)) return;
      form.elements.text.value = "";
      this.part("why").textContent = "";
    });
    form.hidden = isProjector;
    this.part("toggle").hidden = isProjector;
    this.part("toggle").addEventListener("click", () => (this.isIn ? this.leave() : this.enter()));
  }

  part(name) {
    return this.panel.querySelector(`[data-part="${name}"]`);
  }

  get isIn() {
    return !["closed", "closing"].includes(this.session.live.state);
  }

  enter() {
    const room = encodeURIComponent(this.name);
    const name = encodeURIComponent(nameInput.value.trim());
    const session = new Session(isProjector ? `watch/${room}` : `ws/rooms/${room}?name=${name}`);
    this.session = session;
    session.addEventListener("welcome", ({ detail }) => this.welcomed(detail));
    session.addEventListener("message", ({ detail }) => this.received(detail));
    session.live.addEventListener("state", () => this.session === session && this.showState());
    session.live.addEventListener("close", refreshServerList);
    this.part("chip").replaceWith(element("div", { "data-part": "chip" }));
    showChip(this.part("chip"), session.live, { brief: true });
    test.watch(session.live);
    session.live.connect();
  }

  leave() {
    this.session.live.close();
    this.users.clear();
    this.showMembers();
  }

  welcomed(welcome) {
    this.users = new Set(welcome.users);
    this.showMembers();
    this.setRules(welcome.rules);
    if (!welcome.again) return;
    const count = welcome.missed === 1 ? "1 message" : `${welcome.missed} messages`;
    this.addRow("divider", welcome.recovered ? `Back: ${count} caught up` : "Back; what was said meanwhile is lost");
  }

  received(message) {
    switch (message.type) {
      case "message":
        this.addMessage(message);
        break;
      case "user_joined":
      case "user_left":
        if (!message.namesake) this.users[message.type === "user_joined" ? "add" : "delete"](message.user);
        this.showMembers();
        this.addRow("system", message.message);
        refreshServerList();
        break;
      case "rules":
        if (message.room === this.name) this.setRules(message);
        break;
      case "cleared":
        this.part("messages").replaceChildren();
        this.addRow("system", "The host has cleared this room.");
        break;
      case "error":
        this.part("why").textContent = message.detail.split("\n")[0];
    }
  }

  addMessage({ user, message }) {
    const mine = user === nameInput.value.trim() && !isProjector;
    const row = element(
      "li",
      { class: "message", "data-who": colourOf(user) },
      element("p", { class: "message-head" }, mine ? element("span", { class: "person" }, "You") : person(user)),
      element("p", { class: "said" }, message),
    );
    row.classList.toggle("mine", mine);
    if (!mine && this.tab.getAttribute("aria-pressed") === "false") this.unread += 1;
    this.showTab();
    this.append(row);
  }

  addRow(kind, text) {
    this.append(element("li", { class: kind }, element("bdi", {}, text)));
  }

  append(row) {
    const list = this.part("messages");
    list.append(row);
    while (list.children.length > MAX_ROWS) list.firstElementChild.remove();
    this.part("empty").hidden = true;
    this.showNewest();
  }

  setRules({ locked, slow_s: slowS, muted }) {
    const told = [];
    if (muted) told.push("🔇 The host has muted you.");
    if (slowS > 0) told.push(`🐢 One message in ${slowS} s.`);
    if (locked) told.push("🔒 Locked.");
    this.part("rules").textContent = told.join(" ");
    this.muted = muted;
    this.showState();
  }

  showState() {
    const { live } = this.session;
    this.part("toggle").textContent = this.isIn ? "Leave" : "Enter";
    this.part("form").querySelector("button").disabled = live.state !== "open" || this.muted;
    this.part("why").textContent =
      live.state === "closed" && live.lastClose?.reason && live.lastClose.by === "server" ? live.lastClose.reason : "";
  }

  showMembers() {
    const names = [...this.users].sort();
    this.part("members").replaceChildren(...names.flatMap((name, i) => (i ? [", ", person(name)] : [person(name)])));
    if (!names.length) this.part("members").textContent = "nobody here";
  }

  showTab() {
    const badge = this.unread ? element("span", { class: "badge", "aria-label": `${this.unread} unread` }, `${this.unread}`) : null;
    this.tab.replaceChildren(...[element("bdi", {}, this.name), badge].filter(Boolean));
  }
}

// --------------------------------------------------------------------------------------- all of them

const asked = new URLSearchParams(location.search).get("rooms")?.split(",").filter((name) => name && fitsAddress(name));
const columns = [...new Set(asked?.length ? asked : DEFAULT_ROOMS)].slice(0, MAX_ROOMS).map((name) => new RoomColumn(name));
nameInput.value = rememberedName() || inventName();
rememberName(nameInput.value);

for (const column of columns) {
  $("rooms").append(column.panel);
  $("tabs").append(column.tab);
  column.tab.addEventListener("click", () => choose(column));
}

/** On a phone there is one room at a time; with more space all are seen, and tabs are not. */
function choose(chosen) {
  for (const column of columns) {
    const isChosen = column === chosen;
    column.panel.classList.toggle("chosen", isChosen);
    column.tab.setAttribute("aria-pressed", String(isChosen));
    if (isChosen) column.unread = 0;
    column.showTab();
  }
}

function enterAll() {
  for (const column of columns) column.enter();
}

$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  nameInput.blur();
});

nameInput.addEventListener("change", () => {
  nameInput.value = nameInput.value.trim() || inventName();
  rememberName(nameInput.value);
  for (const column of columns) {
    const was = column.session;
    if (!column.isIn) continue;
    was.live.close();
    column.enter();
  }
});

// The server's own list shows what no column can: the rooms that there are, and that empty ones vanish.
let refreshing;
function refreshServerList() {
  clearTimeout(refreshing);
  refreshing = setTimeout(async () => {
    try {
      const response = await fetch(new URL("rooms", document.baseURI), { cache: "no-store" });
      const rooms = Object.entries(await response.json());
      const told = rooms.map(([room, members]) => `${room} ${members}`).join(" · ");
      $("server").textContent = `The server's rooms and their members: ${told || "none"}`;
    } catch {
      $("server").textContent = ""; // the status line says what is wrong
    }
  }, 150);
}

if (isProjector) {
  $("who").hidden = true;
  $("join-address").hidden = false;
  showJoinAddress($("join-address"));
}
choose(columns[0]);
enterAll();
