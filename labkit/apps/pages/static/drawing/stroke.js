// stroke.js - what one stroke of this page is, from the pen's touching the paper to its lifting. No DOM, no network.

import { HEIGHT, WIDTH } from "./paper.js";

export const SHAPES = ["line", "rect", "ellipse"];
const LEAST_STEP = 2; // board units: a hand's tremble is smaller
const MARGIN = 200; // lines go on beyond the edge, or they would end before it

export class Stroke {
  points = []; // flat: [x, y, x, y...]
  done = false;

  constructor({ id, tool, color, width }) {
    Object.assign(this, { id, tool, color, width });
  }

  get isShape() {
    return SHAPES.includes(this.tool);
  }

  /** Go on to a place. A step too small to see is left out. */
  moveTo(x, y) {
    this.#add(x, y, LEAST_STEP);
  }

  /** Lift the pen, at a place if one is known. */
  finish(x, y) {
    if (x !== undefined) this.#add(x, y, 0.1);
    this.done = true;
  }

  #add(x, y, leastStep) {
    if (this.done) return;
    const [newX, newY] = [tidy(x, WIDTH), tidy(y, HEIGHT)];
    if (this.isShape) {
      this.points.splice(2, 2, newX, newY); // a shape is its two corners
      return;
    }
    const { points } = this;
    if (points.length && Math.hypot(newX - points.at(-2), newY - points.at(-1)) < leastStep) return;
    points.push(newX, newY);
  }
}

/** One decimal is finer than any screen, and keeps messages short. */
function tidy(value, size) {
  return Math.round(Math.min(Math.max(value, -MARGIN), size + MARGIN) * 10) / 10;
}
