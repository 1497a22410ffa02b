// hand.js - the hand that holds the pen: makes strokes of what pointer and keyboard do, and sees that they and
// the pen's place get out, at most once a tick.

import { Stroke } from "./stroke.js";

const LEAST_TICK_MS = 33;
const TOUCH_PATIENCE_MS = 100; // a second finger that comes within this time leaves no trace anywhere
const ERASER_FACTOR = 4;
const PREFIX = Array.from(crypto.getRandomValues(new Uint32Array(2)), (number) => number.toString(36)).join("");

export class Hand {
  tickMs = LEAST_TICK_MS; // how often the server sends; more often need nobody speak
  strokePoints = 5_000; // the most that a stroke may have

  #outbox;
  #send;
  #toolbar;
  #color;
  #mayDraw;
  #changed;
  #stroke = null;
  #at = null; // where the pen was last, if nobody has been told yet
  #count = 0;
  #sending = null;
  #sentAt = 0;

  /**
   * @param {Outbox} outbox
   * @param {object} parts
   * @param {(message: object) => boolean} parts.send
   * @param {{tool: string, width: number}} parts.toolbar
   * @param {() => string} parts.color  our own
   * @param {() => boolean} parts.mayDraw
   * @param {() => void} parts.changed  something is to be painted
   */
  constructor(outbox, { send, toolbar, color, mayDraw, changed }) {
    this.#outbox = outbox;
    this.#send = send;
    this.#toolbar = toolbar;
    this.#color = color;
    this.#mayDraw = mayDraw;
    this.#changed = changed;
  }

  // ----- what pointer.js and keyboard-pen.js call

  down([x, y], { isTouch, isEraser }) {
    if (!this.#mayDraw()) return false;
    this.#begin(isEraser ? "eraser" : this.#toolbar.tool);
    this.#stroke.moveTo(x, y);
    this.#plan(isTouch ? TOUCH_PATIENCE_MS : 0);
    return true;
  }

  draw(places) {
    for (const [x, y] of places) {
      if (!this.#stroke) return;
      this.#stroke.moveTo(x, y);
      if (this.#stroke.points.length / 2 >= this.strokePoints) this.#goOn();
    }
    if (this.#stroke?.isShape) this.#at = places.at(-1); // what grows on other screens shows where we are by itself
    this.#plan(0);
  }

  up(place) {
    if (!this.#stroke) return;
    this.#stroke.finish(...(place ?? []));
    this.#stroke = null;
    this.#at = place ?? null;
    this.#plan(0);
  }

  takeBack() {
    if (!this.#stroke) return;
    this.#outbox.takeBack(this.#stroke.id);
    this.#stroke = null;
    this.#plan(0);
  }

  hover(place) {
    if (!place) return;
    this.#at = place;
    this.#plan(0);
  }

  // ----- what the page calls

  /** Whether a stroke is being drawn. */
  get isDown() {
    return this.#stroke !== null;
  }

  /** The server doesn't have a stroke any more, or not the rest of it; what the pen still draws is a new one. */
  lost(stroke, { code, have = 0 }) {
    const goesOn = stroke === this.#stroke;
    if (code === "ended" && (goesOn || have < stroke.points.length / 2)) {
      // It was ended while we were away: from there on, draw a new one.
      const rest = this.#make(stroke.tool, stroke.width);
      rest.points = stroke.points.slice(Math.max(0, have - 1) * 2);
      rest.done = stroke.done;
      this.#outbox.add(rest);
      if (goesOn) this.#stroke = rest;
    } else if (goesOn) {
      if (code === "gone" && !stroke.isShape) this.#goOn();
      else this.#stroke = null;
    }
    this.#plan(0);
  }

  /** See that what is in the outbox gets out. */
  sendSoon() {
    this.#plan(0);
  }

  // ----- strokes

  #make(tool, width) {
    return new Stroke({ id: `${PREFIX}-${(this.#count += 1)}`, tool, color: this.#color(), width });
  }

  #begin(tool) {
    const { width } = this.#toolbar;
    this.#stroke = this.#make(tool, tool === "eraser" ? width * ERASER_FACTOR : width);
    this.#outbox.add(this.#stroke);
  }

  /** End a stroke where the pen is, and begin the next one there. */
  #goOn() {
    const [x, y] = this.#stroke.points.slice(-2);
    const { tool, width } = this.#stroke;
    this.#stroke.done = true;
    this.#stroke = this.#make(tool, width);
    this.#stroke.moveTo(x, y);
    this.#outbox.add(this.#stroke);
  }

  // ----- sending: at once after a pause, else once a tick; the last place always

  #plan(patienceMs) {
    this.#changed();
    if (this.#sending !== null) return;
    const sinceMs = Date.now() - this.#sentAt;
    this.#sending = setTimeout(() => this.#sendAll(), Math.max(patienceMs, this.#tick() - sinceMs, 0));
  }

  #tick() {
    return Math.max(LEAST_TICK_MS, this.tickMs);
  }

  #sendAll() {
    this.#sending = null;
    this.#sentAt = Date.now();
    if (this.#at && this.#send({ type: "cursor", x: round(this.#at[0]), y: round(this.#at[1]) })) this.#at = null;
    if (this.#outbox.pump()) this.#plan(0);
  }
}

function round(value) {
  return Math.round(value * 10) / 10;
}
