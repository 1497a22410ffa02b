// line.js - the conversation with the drawing app, as `labkit.draw.v2` (labkit/apps/messages/drawing.py tells it):
// who we are, what has been missed, and one batch of changes a tick, which it writes into the board.
//
// Events
//   "welcome"  detail: the server's; first: true for the first of this page. The board is as the server says,
//              or will be after the batches that follow
//   "changed"  the board has changed; detail: {finished: [id...]}, items that have been finished, and `whole`: true
//              if all of it came anew
//   "cleared"  detail: {artist}: who has cleared the board
//   "cursors"  detail: [[artist, x, y]...]
//   "users", "rules", "notice", "error", "saved"  detail: the server's message

import { Live } from "../live.js";

const PROTOCOL = "labkit.draw.v2";
const HEARTBEAT = { quietMs: 32_000, graceMs: 3_000 }; // the server pings every 25 s

export class Line extends EventTarget {
  live;
  #board;
  #name;
  #token;
  #epoch = "";
  #hasBoard = false;
  #parts = null; // {left, items, seq, epoch}: a board that is coming in parts
  #catchingUp = null; // {to, strokes}: a replay that is under way

  /**
   * @param {string} path
   * @param {Board} board
   * @param {{name?: string, token?: string}} who  token: of an earlier welcome, to be the same artist again
   */
  constructor(path, board, { name = "", token = "" } = {}) {
    super();
    this.#board = board;
    this.#name = name;
    this.#token = token;
    this.live = new Live(path, { protocols: [PROTOCOL], heartbeat: HEARTBEAT });
    this.live.addEventListener("open", () => this.#greet());
    this.live.addEventListener("message", ({ data }) => this.#received(JSON.parse(data)));
  }

  #greet() {
    const position = this.#hasBoard ? { since: this.#board.seq, epoch: this.#epoch } : {};
    this.#parts = this.#catchingUp = null;
    this.live.sendJson({ type: "hello", name: this.#name, token: this.#token, ...position });
  }

  #received(message) {
    const { type } = message;
    if (type === "ping") this.live.sendJson({ type: "pong" });
    else if (type === "welcome") this.#welcomed(message);
    else if (type === "reset") this.#expect(message.parts, message.seq);
    else if (type === "items") this.#addPart(message.items);
    else if (type === "batch") this.#apply(message);
    else this.#tell(type, message);
  }

  #welcomed(welcome) {
    const again = this.#hasBoard;
    const since = this.#board.seq;
    this.#token = welcome.token;
    this.#tell("welcome", { ...welcome, first: !again });
    if (welcome.recovered) {
      this.#epoch = welcome.epoch;
      this.#catchingUp = { to: welcome.seq, strokes: 0 };
      if (welcome.seq <= since) this.#caughtUp();
    } else this.#expect(welcome.parts, welcome.seq, welcome.epoch);
  }

  #expect(parts, seq, epoch = this.#epoch) {
    this.#parts = { left: parts, items: [], seq, epoch };
    if (parts === 0) this.#addPart([], 0);
  }

  #addPart(items, counts = 1) {
    if (!this.#parts) return;
    this.#parts.items.push(...items);
    this.#parts.left -= counts;
    if (this.#parts.left > 0) return;
    const { items: all, seq, epoch } = this.#parts;
    this.#parts = null;
    this.#epoch = epoch; // with the board, and not before: a line lost in between must not mix the two
    const strokes = this.#board.replace(all, seq);
    if (this.#hasBoard) this.#tellCaughtUp(strokes);
    this.#hasBoard = true;
    this.#tell("changed", { whole: true, finished: all.filter(({ growing }) => !growing).map(({ id }) => id) });
  }

  #apply({ ops = [], cursors = [] }) {
    const finished = [];
    const clears = [];
    for (const op of ops) {
      if (!this.#board.apply(op)) continue;
      if (op.type === "end" || op.type === "draw") finished.push(op.id);
      if (op.type === "clear") clears.push(op.artist_id);
    }
    if (ops.length) this.#tell("changed", { finished });
    if (clears.length) this.#tell("cleared", { artist: clears.at(-1) });
    if (this.#catchingUp) {
      this.#catchingUp.strokes += finished.length;
      if (this.#board.seq >= this.#catchingUp.to) this.#caughtUp();
    }
    const pens = [...ops.flatMap((op) => this.#penOf(op)), ...cursors];
    if (pens.length) this.#tell("cursors", pens);
  }

  /** Where a stroke grows, there is its artist's pen. */
  #penOf({ type, id, points }) {
    const artist = this.#board.get(id)?.artist;
    const isGrowth = (type === "begin" || type === "points") && points.length > 0;
    return artist && isGrowth ? [[artist, ...points.at(-1)]] : [];
  }

  #caughtUp() {
    const { strokes } = this.#catchingUp;
    this.#catchingUp = null;
    this.#tellCaughtUp(strokes);
  }

  #tellCaughtUp(missed) {
    this.live.caughtUp({ recovered: true, missed, what: "stroke" });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
