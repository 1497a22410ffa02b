// board.js - this page's copy of the board. It holds what the server says and nothing else: no DOM, no network,
// no guesses. What this page has drawn and the server not yet confirmed is in outbox.js.
//
// An item is {id, artist, color, tool, width, points, order}, its points flat: [x, y, x, y...]. Finished items lie
// in ascending order; growing strokes have no order yet, and lie above them.

import { boundsOf } from "./paint.js";

export class Board {
  seq = 0; // the number of the last change that is in it
  items = []; // finished, lowest first

  #growing = new Map(); // id -> item
  #finished = new Map(); // id -> item
  #highest = 0; // the highest place that was ever taken
  #damage = null; // boxes to be painted anew, or null: everything

  /** Strokes that are being drawn now, in the order in which they began. */
  get growing() {
    return [...this.#growing.values()];
  }

  /** How many items can be seen. */
  get size() {
    return this.items.length + this.#growing.size;
  }

  /** An item that is there, finished or growing; else undefined. */
  get(id) {
    return this.#finished.get(id) ?? this.#growing.get(id);
  }

  /** Boxes in which finished items have changed since the last call; null: everywhere. */
  takeDamage() {
    const damage = this.#damage;
    this.#damage = [];
    return damage;
  }

  /** Take what the server says is on the board in the place of all that was. Returns how many items are new. */
  replace(items, seq) {
    const before = new Set([...this.#finished.keys(), ...this.#growing.keys()]);
    this.#finished.clear();
    this.#growing.clear();
    for (const raw of items) {
      const item = toItem(raw);
      (raw.growing ? this.#growing : this.#finished).set(item.id, item);
    }
    this.items = [...this.#finished.values()].sort((a, b) => a.order - b.order);
    this.seq = seq;
    this.#highest = this.items.at(-1)?.order ?? 0;
    this.#damage = null;
    return items.filter(({ id }) => !before.has(id)).length;
  }

  /**
   * Apply one change. One that is already in it is ignored, so that hearing it twice does no harm.
   * Returns whether the change was new.
   */
  apply(op) {
    if (op.seq <= this.seq) return false;
    this.seq = op.seq;
    changes[op.type]?.(this, op);
    return true;
  }

  // ----- one method for each change

  begin(op) {
    this.#growing.set(op.id, toItem(op));
  }

  grow({ id, at, points }) {
    const known = this.#growing.get(id)?.points;
    if (known && known.length === at * 2) known.push(...points.flat());
  }

  end({ id, order }) {
    const item = this.#growing.get(id);
    if (!item) return;
    this.#growing.delete(id);
    this.#put({ ...item, order });
  }

  draw(op) {
    this.#growing.delete(op.id);
    this.#put(toItem(op));
  }

  remove({ ids }) {
    const gone = new Set(ids);
    for (const id of ids) {
      this.#growing.delete(id);
      const item = this.#finished.get(id);
      if (!item) continue;
      this.#finished.delete(id);
      this.#damage?.push(boundsOf(item));
    }
    this.items = this.items.filter(({ id }) => !gone.has(id));
  }

  clear() {
    this.#growing.clear();
    this.#finished.clear();
    this.items = [];
    this.#damage = null;
  }

  /** Put an item in its place: on top, or where it was before it was undone. */
  #put(item) {
    if (this.#finished.has(item.id)) return;
    this.#finished.set(item.id, item);
    let place = this.items.length;
    while (place > 0 && this.items[place - 1].order > item.order) place -= 1;
    this.items.splice(place, 0, item);
    if (item.order > this.#highest) this.#highest = item.order;
    else this.#damage?.push(boundsOf(item));
  }
}

const changes = {
  begin: (board, op) => board.begin(op),
  points: (board, op) => board.grow(op),
  end: (board, op) => board.end(op),
  draw: (board, op) => board.draw(op),
  removed: (board, op) => board.remove(op),
  clear: (board) => board.clear(),
};

function toItem({ id, artist_id: artist, color, tool, width, points, order }) {
  return { id, artist, color, tool, width, points: points.flat(), order };
}
