// artists.js - who is here: name, colour and shape, and in words for a screen reader when somebody comes or goes.

import { element } from "../dom.js";
import { listNames } from "../people.js";
import { marker, markerName, markerOf } from "./markers.js";
import { textInkOn } from "./paper.js";

const SPEAK_AFTER_MS = 700; // a class that comes in is one sentence, not thirty

export class Artists {
  #list;
  #title;
  #spoken;
  #known = new Map(); // id -> {id, name, color, marker, muted, isMe, ink}
  #paper = "#ffffff";
  #news = { came: [], left: [] };
  #speaking = null;

  /**
   * @param {HTMLElement} list    of the names
   * @param {HTMLElement} title   says how many
   * @param {HTMLElement} spoken  an aria-live node, for joins and leaves
   */
  constructor(list, title, spoken) {
    this.#list = list;
    this.#title = title;
    this.#spoken = spoken;
  }

  /** One artist: {id, name, color, ink, marker, muted, isMe}, or undefined. */
  get(id) {
    return this.#known.get(id);
  }

  get size() {
    return this.#known.size;
  }

  set paper(colour) {
    this.#paper = colour;
    for (const artist of this.#known.values()) artist.ink = textInkOn(colour, artist.color);
    this.#show();
  }

  /**
   * @param {{id: string, name: string, color: string, muted?: boolean}[]} users  everybody who is here now
   * @param {string} me  our own id
   * @param {{silently: boolean}} options  silently: the first list of a connection is no news
   */
  replace(users, me, { silently }) {
    const before = this.#known;
    this.#known = new Map();
    for (const user of users) this.#known.set(user.id, this.#artist(user, me));
    if (!silently) {
      for (const [id, { name }] of this.#known) if (!before.has(id)) this.#tell("came", "left", name);
      for (const [id, { name }] of before) if (!this.#known.has(id)) this.#tell("left", "came", name);
    }
    this.#show();
  }

  #artist({ id, name, color, muted = false }, me) {
    return { id, name, color, muted, isMe: id === me, ink: textInkOn(this.#paper, color), marker: markerOf(color) };
  }

  // Who is back at once has not been away.
  #tell(kind, opposite, name) {
    const index = this.#news[opposite].indexOf(name);
    if (index >= 0) this.#news[opposite].splice(index, 1);
    else this.#news[kind].push(name);
    this.#speaking ??= setTimeout(() => {
      this.#speaking = null;
      const { came, left } = this.#news;
      this.#news = { came: [], left: [] };
      const sentences = [came.length && `${listNames(came)} joined.`, left.length && `${listNames(left)} left.`];
      if (came.length || left.length) this.#spoken.textContent = sentences.filter(Boolean).join(" ");
    }, SPEAK_AFTER_MS);
  }

  #show() {
    const artists = [...this.#known.values()].sort((a, b) => b.isMe - a.isMe || a.name.localeCompare(b.name));
    this.#title.textContent = artists.length === 1 ? "1 artist here" : `${artists.length} artists here`;
    this.#list.replaceChildren(...artists.map(row));
  }
}

function row({ id, name, ink, marker: number, muted, isMe }) {
  const notes = [isMe && "you", muted && "muted"].filter(Boolean).join(", ");
  const made = element(
    "li",
    { class: "artist", "data-artist": id },
    marker(number, "currentColor"),
    element("span", { class: "sr-only" }, `${markerName(number)}: `),
    element("bdi", { class: "artist-name" }, name),
    notes && element("span", { class: "quiet" }, ` (${notes})`),
  );
  made.style.setProperty("--ink-of-artist", ink);
  return made;
}
