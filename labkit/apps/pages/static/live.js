// live.js - a WebSocket that comes back.
//
// The browser's own WebSocket is one connection: when it is lost, it stays lost. A Live is the
// conversation over as many connections as it takes:
//
//     const live = new Live("ws");
//     live.addEventListener("message", (event) => console.log(event.data));
//     live.connect();
//     live.send("hello");
//
//   connecting --> open --> closing --> closed       close() was called, or the code says "don't come back"
//                   |  ^
//          lost     v  |    again
//               reconnecting
//
// Events
//   "state"    something that a person may want to see has changed: read the fields below
//   "open"     detail: {again, downMs}   again: not the first time; downMs: how long the line was down
//   "message"  data: what the server sent, a string or an ArrayBuffer
//   "close"    detail: lastClose         once for every connection that ended, retried or not
//   "caughtup" detail: {recovered, missed, what}   whoever reads the messages found out what was missed: caughtUp()
//
// Nothing here needs https: phones that open http://192.168.... get the same page.

// ------------------------------------------------------------------------------------ where to

/**
 * The WebSocket address of `path`, beside the page itself: same host, port and path prefix, and wss
 * when the page came over https. So a page works behind any proxy that serves it.
 */
export function wsUrl(path, query = {}) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

// ------------------------------------------------------------------------- whether and when to retry

/**
 * True for close codes after which coming back would only fail again: we are done (1000), we speak
 * wrongly (1002, 1003, 1007, 1009), or we are not welcome (1008). Of the private codes, 4000-4499 mean
 * "come back" and 4500-4999 mean "don't". Everything else, a lost line (1006) above all, is worth a retry.
 */
export function isTerminal(code) {
  return [1000, 1002, 1003, 1007, 1008, 1009].includes(code) || (code >= 4500 && code <= 4999);
}

const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 15_000;
const OPEN_TIMEOUT_MS = 10_000; // a router that swallows packets would keep us waiting for minutes
const STABLE_MS = 5_000; // shorter than this, and the last opening doesn't count as a success

/**
 * How long to wait before try number `attempt` (1, 2, 3...): exponential back-off with full jitter.
 * The ceiling doubles, and the wait is anywhere below it. Without the jitter, all clients of a server
 * that restarts would come back in the same instant, and again in the same instant after that.
 */
export function retryDelayMs(attempt, random = Math.random) {
  return random() * Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** (attempt - 1));
}

// --------------------------------------------------------------------------------- the conversation

export class Live extends EventTarget {
  // For others to read, never to write. Times are Date.now() milliseconds.
  state = "closed"; // "connecting" | "open" | "reconnecting" | "closing" | "closed"
  attempt = 0; // tries since the line was lost
  nextRetryAt = null; // when the next try starts; null while a try is under way
  downSince = null; // since when there is no line; null while there is one
  lastClose = null; // {code, reason, wasClean, by: "client" | "server" | "nobody", opened, willRetry}

  #path;
  #options;
  #socket = null; // the present connection, if there is one; older ones are never listened to
  #hasOpened = false; // any connection of this conversation
  #closedByUs = false;
  #waiting = null; // AbortController: ends the wait for the next try
  #openTimer;
  #stableTimer;
  #heartbeatTimer;

  /**
   * @param {string} path  relative to the page, such as "ws" or "ws/ada"
   * @param {object} [options]
   * @param {boolean} [options.reconnect]   come back by itself (default true)
   * @param {string[]} [options.protocols]  subprotocols to offer
   * @param {() => object} [options.resume] asked before every reconnect for query parameters that say
   *   how far we got, such as {since: 41, epoch: "a7"}
   * @param {{quietMs: number, graceMs: number, message?: string}} [options.heartbeat]  when nothing
   *   was heard for quietMs, send `message` (if given); when nothing is heard for graceMs more, take the
   *   line for lost. JavaScript can't see the protocol's own pings, so this needs the server's help.
   */
  constructor(path, { reconnect = true, protocols = [], resume = () => ({}), heartbeat = null } = {}) {
    super();
    this.#path = path;
    this.#options = { reconnect, protocols, resume, heartbeat };
  }

  /** The address without what resume() adds. */
  get url() {
    return wsUrl(this.#path);
  }

  /** The subprotocol that the server chose, "" if none. */
  get protocol() {
    return this.#socket?.protocol ?? "";
  }

  /** Start, or start again after a close. Does nothing while a connection exists. */
  connect() {
    if (this.#socket) return;
    this.attempt = 0;
    this.#open("connecting");
  }

  /** Don't wait any longer for the next try. */
  retryNow() {
    if (this.#waiting) this.#open("reconnecting");
  }

  /** Send text (or bytes). False: there is no line, and nothing was sent nor kept for later. */
  send(data) {
    if (this.state !== "open") return false;
    this.#socket.send(data);
    return true;
  }

  /** Send a value as one JSON text frame. */
  sendJson(value) {
    return this.send(JSON.stringify(value));
  }

  /** Tell those who listen that what was missed while the line was down has come, or is lost. */
  caughtUp(detail) {
    this.dispatchEvent(new CustomEvent("caughtup", { detail }));
  }

  /**
   * Say goodbye; no reconnect follows. Browsers let a page send 1000 and 3000-4999 only, with at most
   * 123 bytes of reason, and throw otherwise. A code of null sends a close frame without a code.
   */
  close(code = 1000, reason = "") {
    if (!this.#socket) {
      this.#stopWaiting();
      this.#become("closed");
      return;
    }
    if (code === null) this.#socket.close();
    else this.#socket.close(code, reason);
    this.#closedByUs = true;
    this.#become("closing");
  }

  // ----- one connection: open, listen, end

  #open(state) {
    this.#stopWaiting();
    this.#closedByUs = false;
    this.downSince ??= Date.now();
    const query = this.#hasOpened ? this.#options.resume() : {};
    const socket = new WebSocket(wsUrl(this.#path, query), this.#options.protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = (event) => this.#ended(event.code, event.reason, event.wasClean);
    this.#socket = socket;
    this.#openTimer = setTimeout(() => this.#abandon("no answer to the handshake"), OPEN_TIMEOUT_MS);
    this.#become(state);
  }

  #opened() {
    clearTimeout(this.#openTimer);
    const detail = { again: this.#hasOpened, downMs: Date.now() - this.downSince };
    this.#hasOpened = true;
    this.downSince = null;
    // A server that accepts and closes at once must not be asked again at full speed.
    this.#stableTimer = setTimeout(() => (this.attempt = 0), STABLE_MS);
    this.#watchHeartbeat();
    this.#become("open");
    this.dispatchEvent(new CustomEvent("open", { detail }));
  }

  #received(data) {
    this.#watchHeartbeat(); // any frame proves that the other side is alive
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  #ended(code, reason, wasClean) {
    for (const timer of [this.#openTimer, this.#stableTimer, this.#heartbeatTimer]) clearTimeout(timer);
    // wasClean says less: it is false as well when the server hung up right after its close frame.
    const by = this.#closedByUs ? "client" : code === 1006 ? "nobody" : "server";
    const willRetry = this.#options.reconnect && by !== "client" && !isTerminal(code);
    const opened = this.downSince === null;
    this.#socket = null;
    this.downSince ??= Date.now();
    this.lastClose = { code, reason, wasClean, by, opened, willRetry };
    if (willRetry) this.#waitAndRetry();
    this.#become(willRetry ? "reconnecting" : "closed");
    this.dispatchEvent(new CustomEvent("close", { detail: this.lastClose }));
  }

  /** Give a silent connection up without waiting for its close event, which may take minutes. */
  #abandon(why) {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#ended(1006, why, false);
  }

  // ----- between two connections

  #waitAndRetry() {
    this.attempt += 1;
    const delayMs = retryDelayMs(this.attempt);
    this.nextRetryAt = Date.now() + delayMs;
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    const timer = setTimeout(() => this.retryNow(), delayMs);
    signal.addEventListener("abort", () => clearTimeout(timer));
    // The network is back, or somebody looks at the page again: a good moment, whatever the clock says.
    addEventListener("online", () => this.retryNow(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow(), { signal });
  }

  #stopWaiting() {
    this.#waiting?.abort();
    this.#waiting = null;
    this.nextRetryAt = null;
  }

  // ----- small parts

  #watchHeartbeat() {
    const beat = this.#options.heartbeat;
    if (!beat) return;
    clearTimeout(this.#heartbeatTimer);
    this.#heartbeatTimer = setTimeout(() => {
      if (beat.message !== undefined) this.send(beat.message);
      this.#heartbeatTimer = setTimeout(() => this.#abandon("nothing heard any more"), beat.graceMs);
    }, beat.quietMs);
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
