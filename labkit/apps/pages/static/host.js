// host.js - what the host does to rooms and people. The secret is in this page's own address; it is sent as
// the first message, because the address of a WebSocket ends up in logs.

import { element } from "./dom.js";
import { marker, markerOf } from "./drawing/markers.js";
import { Live } from "./live.js";
import { person } from "./people.js";
import { showJoinAddress } from "./projector.js";
import { showChip } from "./status.js";

const SURE_MS = 4_000;

const $ = (id) => document.getElementById(id);
const root = new URL("../", document.baseURI); // the app's own page, above /host/
const token = decodeURIComponent(location.pathname.split("/").at(-1));
const live = new Live("ws", { heartbeat: { quietMs: 32_000, graceMs: 3_000 } });
const rooms = new Map(); // name -> section

showChip($("chip"), live);
showJoinAddress($("join-address"), root.href);
$("projector").href = new URL("?view=projector", root).href;

live.addEventListener("open", () => live.sendJson({ type: "hello", token }));
live.addEventListener("state", enable);
live.addEventListener("message", ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === "ping") live.sendJson({ type: "pong" });
  if (message.type === "state") show(message);
  if (message.type === "done") tell(message.detail);
  if (message.type === "error") tell(message.detail);
});
live.connect();

const called = new Map(); // user -> name, of all whom we have seen

function tell(text) {
  for (const [user, name] of called) text = text.replaceAll(user, name);
  $("done").hidden = false;
  $("done").textContent = text;
}

function enable() {
  for (const control of document.querySelectorAll("#rooms button, #rooms select")) {
    control.disabled = live.state !== "open";
  }
}

function show(state) {
  $("app").textContent = state.app;
  const count = state.connections;
  $("count").textContent = `${count} ${count === 1 ? "connection" : "connections"}, yours included`;
  const names = new Set(state.rooms.map(({ room }) => room));
  for (const [name, section] of rooms) {
    if (names.has(name)) continue;
    section.remove();
    rooms.delete(name);
  }
  for (const room of state.rooms) {
    for (const [user, name] of Object.entries(room.names)) called.set(user, name);
    if (!rooms.has(room.room)) rooms.set(room.room, addRoom(room.room));
    showRoom(rooms.get(room.room), room, { draws: state.app === "drawing" });
  }
  if (!state.rooms.length) $("rooms").replaceChildren(element("p", { class: "empty" }, "No room has anybody in it."));
  else $("rooms").querySelector(":scope > .empty")?.remove();
  enable();
}

function addRoom(name) {
  const section = $("room").content.firstElementChild.cloneNode(true);
  const part = (each) => section.querySelector(`[data-part="${each}"]`);
  section.setAttribute("aria-label", `Room ${name}`);
  section.querySelector("bdi").textContent = name;
  const room = { room: name };
  part("lock").addEventListener("click", ({ target }) => {
    live.sendJson({ ...room, type: target.getAttribute("aria-pressed") === "true" ? "unlock" : "lock" });
  });
  part("slow").addEventListener("change", ({ target }) => {
    live.sendJson({ ...room, type: "slow", seconds: Number(target.value) });
  });
  part("undo").addEventListener("click", () => live.sendJson({ ...room, type: "undo" }));
  askTwice(part("clear"), () => live.sendJson({ ...room, type: "clear" }));
  $("rooms").append(section);
  return section;
}

function showRoom(section, state, { draws }) {
  const part = (each) => section.querySelector(`[data-part="${each}"]`);
  const { people, muted, kicked, typing, locked, room, hidden } = state;
  // Without a prototype: somebody may be called "constructor".
  const [names, colors] = [state.names, state.colors].map((each) => Object.assign(Object.create(null), each));
  const nameOf = (user) => names[user] ?? called.get(user) ?? user;
  part("state").textContent = `${people.length} here${locked ? " · locked" : ""}${state.slow_s ? ` · one message in ${state.slow_s} s` : ""}`;
  part("lock").textContent = locked ? "Unlock" : "Lock";
  part("lock").setAttribute("aria-pressed", String(locked));
  const slow = String(state.slow_s);
  if (![...part("slow").options].some((option) => option.value === slow)) {
    part("slow").append(element("option", { value: slow }, `${slow} s`));
  }
  part("slow").value = slow;
  part("nobody").hidden = people.length > 0;
  const hide = (user) => {
    const isHidden = hidden.includes(user);
    const text = isHidden ? "Show strokes" : "Hide strokes";
    const label = `${isHidden ? "Show" : "Hide"} the strokes of ${nameOf(user)}`;
    return act(text, label, { type: isHidden ? "show" : "hide", room, user });
  };
  // On a board people have colours and shapes of their own; elsewhere their names give them one.
  const whoIs = (user) =>
    colors[user]
      ? [marker(markerOf(colors[user]), colors[user]), element("bdi", { class: "person" }, nameOf(user))]
      : [person(nameOf(user))];
  const draw = (user, ...buttons) => element("li", { "data-user": user, tabindex: "-1" }, ...whoIs(user), ...buttons);
  keepFocus(part("people"), () =>
    part("people").replaceChildren(
      ...people.map((user) => {
        const isMuted = muted.includes(user);
        const mute = isMuted ? "Unmute" : "Mute";
        const notes = [isMuted && "muted", typing.includes(user) && "typing…", hidden.includes(user) && "strokes hidden"];
        return draw(
          user,
          element("span", { class: "quiet" }, notes.filter(Boolean).join(", ")),
          draws ? hide(user) : null,
          act(mute, `${mute} ${nameOf(user)}`, { type: mute.toLowerCase(), room, user }),
          act("Kick", `Kick ${nameOf(user)}`, { type: "kick", room, user }),
        );
      }),
    ),
  );
  // Whoever has gone may have left something on the board.
  const gone = hidden.filter((user) => !people.includes(user) && !kicked.includes(user));
  part("out-box").hidden = kicked.length + gone.length === 0;
  part("out-title").textContent = gone.length ? "Removed or hidden" : "Removed";
  keepFocus(part("out"), () =>
    part("out").replaceChildren(
      ...kicked.map((user) =>
        draw(
          user,
          draws ? hide(user) : null,
          act("Let back in", `Let back in ${nameOf(user)}`, { type: "readmit", room, user }),
        ),
      ),
      ...gone.map((user) => draw(user, hide(user))),
    ),
  );
}

function act(text, label, message) {
  const button = element("button", { type: "button", class: "plain", "aria-label": label }, text);
  button.addEventListener("click", ({ detail: count }) => {
    if (count < 2) live.sendJson(message); // a double click's second one may meet somebody else's button
  });
  return button;
}

/**
 * Draw a list anew and leave the focus on the same button of the same person. If they are gone it goes to the row in
 * their place and to none of its buttons: an Enter too many must not strike somebody else.
 */
function keepFocus(list, draw) {
  const place = [...list.children].findIndex((row) => row.contains(document.activeElement));
  if (place < 0) return draw();
  const { user } = list.children[place].dataset;
  const index = [...list.children[place].querySelectorAll("button")].indexOf(document.activeElement);
  draw();
  const rows = [...list.children];
  const same = rows.find(({ dataset }) => dataset.user === user);
  (same?.querySelectorAll("button")[index] ?? same ?? rows[Math.min(place, rows.length - 1)])?.focus();
}

/** What can't be undone is asked for twice, within a few seconds, on the same button. */
function askTwice(button, then) {
  const text = button.textContent;
  let timer = null;
  button.addEventListener("click", () => {
    clearTimeout(timer);
    if (timer !== null) {
      timer = null;
      button.textContent = text;
      then();
      return;
    }
    button.textContent = "Really clear?";
    timer = setTimeout(() => {
      timer = null;
      button.textContent = text;
    }, SURE_MS);
  });
}
