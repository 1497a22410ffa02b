// outbox.js - what this page has drawn and the server not yet confirmed. It is on the screen at once, goes out as
// it grows, and is sent again after a lost connection: the server skips what it has, so nothing is drawn twice.
// No DOM, no network: it is given a function that sends.

const POINTS_A_MESSAGE = 1_000; // well under the 64 KiB of a message
const CALM = 0.8; // of the pace at which the server refuses

export class Outbox {
  #entries = new Map(); // id -> {stroke, grows, begun, sent, ended, takenBack}, oldest first
  #send;
  #lost;
  #pace = { perS: 40, burst: 60 };
  #tokens = 60;
  #countedAt = 0;
  #notBefore = 0;

  /**
   * @param {(message: object) => boolean} send  false: there is no line
   * @param {(stroke: Stroke, why: {code: string, detail?: string, have?: number}) => void} lost
   *   the server doesn't take a stroke, or not the rest of it
   */
  constructor(send, lost) {
    this.#send = send;
    this.#lost = lost;
  }

  /** Not confirmed strokes, oldest first. */
  get strokes() {
    return [...this.#entries.values()].filter(({ takenBack }) => !takenBack).map(({ stroke }) => stroke);
  }

  has(id) {
    return this.#entries.has(id);
  }

  /** How many strokes have not been sent as a whole. */
  get waiting() {
    let count = 0;
    for (const { stroke, ended, takenBack } of this.#entries.values()) count += stroke.done && !ended && !takenBack;
    return count;
  }

  /** Whether the server has said that it is too soon for more. */
  isHeldBack(now = Date.now()) {
    return now < this.#notBefore;
  }

  /** The server's limits on messages: {ops_per_s, ops_burst}. */
  set limits({ ops_per_s: perS, ops_burst: burst }) {
    this.#pace = { perS: perS * CALM, burst: burst * CALM };
  }

  /** Take a stroke that begins. It may still grow. */
  add(stroke) {
    this.#entries.set(stroke.id, { stroke, grows: false, begun: false, sent: 0, ended: false, takenBack: false });
  }

  /**
   * On the board a stroke is finished, with so many points. If that isn't all (the server ends the strokes of those
   * who are away for long), the rest is lost to this stroke.
   */
  confirmed(id, count) {
    const entry = this.#entries.get(id);
    if (!entry || entry.takenBack) return; // one that is to be taken back stays until that has been said
    this.#entries.delete(id);
    const { stroke } = entry;
    if (!stroke.done || stroke.points.length / 2 > count) this.#lost(stroke, { code: "ended", have: count });
  }

  /** A new connection: what the server has of our strokes is not known, so everything is said again. */
  startAgain() {
    for (const entry of this.#entries.values()) this.#rewind(entry);
    this.#tokens = this.#pace.burst;
    this.#notBefore = 0;
  }

  /**
   * Take a stroke back: forgotten if nothing of it has been sent, else ended and undone.
   * Without an id, the newest one that has not been sent as a whole. Returns whether there was one.
   */
  takeBack(id = [...this.#entries.values()].findLast(({ ended, takenBack }) => !ended && !takenBack)?.stroke.id) {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    if (!entry.begun) this.#entries.delete(id);
    else {
      entry.stroke.done = true;
      entry.takenBack = true;
    }
    return true;
  }

  /** Send what there is to send, at the pace that the server takes. Returns whether there is more to send soon. */
  pump(now = Date.now()) {
    const { perS, burst } = this.#pace;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#countedAt) / 1000) * perS);
    this.#countedAt = now;
    if (now < this.#notBefore) return true;
    for (const entry of this.#entries.values()) {
      while (this.#tokens >= 1) {
        const message = next(entry);
        if (!message) break;
        if (!this.#send(message)) return false; // after the next welcome
        this.#tokens -= 1;
        note(entry, message);
        if (message.type !== "undo") continue;
        this.#entries.delete(entry.stroke.id);
        break;
      }
    }
    return [...this.#entries.values()].some((entry) => next(entry) !== null);
  }

  /** The server refused something of a stroke. */
  refused({ code, id, detail, have, retry_ms: retryMs }, now = Date.now()) {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (code === "too_fast" || code === "slow_mode") {
      this.#rewind(entry);
      this.#notBefore = now + (retryMs ?? 1_000);
    } else if (code === "gap") {
      this.#rewind(entry); // what came before was refused
    } else {
      this.#entries.delete(id);
      this.#lost(entry.stroke, { code, detail, have });
    }
  }

  #rewind(entry) {
    entry.begun = entry.ended = false;
    entry.sent = 0;
  }
}

/** The next message about a stroke, or null if it has all been said. */
function next({ stroke, grows, begun, sent, ended, takenBack }) {
  const { id, tool, width, done } = stroke;
  const known = stroke.points.length / 2;
  if (ended) return takenBack ? { type: "undo" } : null;
  // Where a stroke was left growing, the server may have more of it than its beginning: begun again, it gets all
  // of its points from the first on, and skips what it has.
  if (!begun && grows) return { type: "begin", id, tool, width, points: [] };
  if (!begun) {
    if (stroke.isShape && !done) return null; // a shape goes out when both corners are fixed
    const points = pairs(stroke, 0);
    const whole = done && points.length === known && !takenBack;
    return { type: "begin", id, tool, width, points, ...(whole && { done: true }) };
  }
  if (sent < known) return { type: "points", id, at: sent, points: pairs(stroke, sent) };
  if (!done) return null;
  return { type: "end", id, at: known };
}

/** Note that a message of next() has been sent. */
function note(entry, { type, points, done }) {
  if (type === "begin") {
    entry.begun = true;
    entry.sent = points.length;
    entry.ended = done === true;
    entry.grows ||= !entry.ended;
  } else if (type === "points") entry.sent += points.length;
  else if (type === "end") entry.ended = true;
}

function pairs({ points }, from) {
  const made = [];
  const to = Math.min(points.length / 2, from + POINTS_A_MESSAGE);
  for (let i = from; i < to; i += 1) made.push([points[2 * i], points[2 * i + 1]]);
  return made;
}
