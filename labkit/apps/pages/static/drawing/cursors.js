// cursors.js - where the others' pens are, with their names. What nobody moves fades.

import { element } from "../dom.js";
import { marker } from "./markers.js";
import { HEIGHT, WIDTH } from "./paper.js";

const FADE_MS = 5_000;
const LOOK_EVERY_MS = 500;
const MOST_ON_A_PHONE = 40;
const phone = matchMedia("(max-width: 44rem)");

export class Cursors {
  #layer;
  #artistOf;
  #shown = new Map(); // artist id -> {at: number (ms), node}
  #unknown = new Map(); // artist id -> [x, y]: moved before we were told who that is
  #looking = null;

  /**
   * @param {HTMLElement} layer  lies over the board, in the same place and size
   * @param {(id: string) => {name: string, ink: string, marker: number} | undefined} artistOf
   */
  constructor(layer, artistOf) {
    this.#layer = layer;
    this.#artistOf = artistOf;
  }

  /** Whether cursors are shown at all. */
  set visible(yes) {
    this.#layer.hidden = !yes;
  }

  /** An artist's pen is here now. */
  move(id, x, y) {
    const artist = this.#artistOf(id);
    if (!artist) {
      this.#unknown.set(id, [x, y]);
      return;
    }
    if (!this.#shown.has(id)) this.#add(id, artist);
    const cursor = this.#shown.get(id);
    cursor.at = Date.now();
    cursor.node.classList.remove("faded");
    cursor.node.style.left = `${(x / WIDTH) * 100}%`;
    cursor.node.style.top = `${(y / HEIGHT) * 100}%`;
    cursor.node.classList.toggle("at-right", x > 0.85 * WIDTH);
    cursor.node.classList.toggle("at-bottom", y > 0.92 * HEIGHT);
    this.#looking ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** An artist's pen is gone. */
  remove(id) {
    this.#shown.get(id)?.node.remove();
    this.#shown.delete(id);
  }

  /** Draw names and colours anew, and drop those who are not here any more. */
  refresh() {
    const unknown = [...this.#unknown];
    this.#unknown.clear();
    for (const [id, [x, y]] of unknown) if (this.#artistOf(id)) this.move(id, x, y);
    for (const [id, { node }] of this.#shown) {
      const artist = this.#artistOf(id);
      if (artist) dress(node, artist);
      else this.remove(id);
    }
  }

  #add(id, artist) {
    const node = element("div", { class: "cursor", "data-artist": id });
    dress(node, artist);
    this.#layer.append(node);
    this.#shown.set(id, { at: 0, node });
    if (!phone.matches || this.#shown.size <= MOST_ON_A_PHONE) return;
    const [longestStill] = [...this.#shown].reduce((a, b) => (b[1].at && b[1].at < (a[1].at || Infinity) ? b : a));
    if (longestStill !== id) this.remove(longestStill);
  }

  #look() {
    const now = Date.now();
    for (const [id, { at, node }] of this.#shown) {
      if (now - at < FADE_MS) continue;
      // Faded first, and gone at the next look: the style sheet makes it a passage.
      if (node.classList.contains("faded")) this.remove(id);
      else node.classList.add("faded");
    }
    if (this.#shown.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = null;
  }
}

function dress(node, { name, ink, marker: number }) {
  if (node.dataset.dress === `${name} ${ink} ${number}`) return;
  node.dataset.dress = `${name} ${ink} ${number}`;
  node.style.setProperty("--ink-of-artist", ink);
  node.replaceChildren(
    element("span", { class: "cursor-tip" }),
    element("span", { class: "cursor-name" }, marker(number, "currentColor"), element("bdi", {}, name)),
  );
}
