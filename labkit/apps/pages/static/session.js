// session.js - a Live that speaks with an app over the hub: it answers pings, keeps the place in the
// room's story, and comes back to it.
//
//     const session = new Session("ws/ada");
//     session.addEventListener("message", ({ detail }) => console.log(detail.type, detail));
//     session.live.connect();
//
// Events
//   "welcome"  detail: {users, rules, recovered, missed, again}   the first message of each connection;
//              recovered: true, all that was missed follows; false, it is lost; undefined, we didn't ask
//   "message"  detail: any other message of the server, as an object

import { Live } from "./live.js";

// The server pings every 25 s, so a longer silence means that the line is dead.
const HEARTBEAT = { quietMs: 32_000, graceMs: 3_000 };

export class Session extends EventTarget {
  live;
  #position = null; // {epoch, since}: how far we got

  constructor(path) {
    super();
    const query = path.includes("?") ? "&" : "?";
    this.live = new Live(`${path}${query}resume=1`, {
      resume: () => this.#position ?? {},
      heartbeat: HEARTBEAT,
    });
    this.live.addEventListener("message", ({ data }) => this.#received(JSON.parse(data)));
  }

  #received(message) {
    if (message.type === "ping") {
      this.live.sendJson({ type: "pong" });
      return;
    }
    if (message.type === "welcome") {
      const again = this.#position !== null;
      // What was missed follows and moves the place on; when it is lost, we start from here.
      if (!message.recovered) this.#position = { epoch: message.epoch, since: message.seq };
      if (again) this.live.caughtUp({ recovered: message.recovered, missed: message.missed });
      this.dispatchEvent(new CustomEvent("welcome", { detail: { ...message, again } }));
      return;
    }
    if (message.seq !== undefined && this.#position) this.#position.since = message.seq;
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }
}
