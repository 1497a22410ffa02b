// close-codes.js - what the close codes of RFC 6455 section 7.4 and the IANA registry mean.

const CLOSE_CODES = {
  1000: ["normal closure", "All is said; nothing went wrong."],
  1001: ["going away", "The browser left the page, or the server is shutting down."],
  1002: ["protocol error", "The other side broke a rule of the WebSocket protocol."],
  1003: ["unsupported data", "A kind of message that the other side doesn't take, such as binary."],
  1005: ["no code", "Never on the wire: the close frame held no code, or the server saw the line cut."],
  1006: ["no close frame", "Never on the wire: the line was cut or refused, and nobody said goodbye."],
  1007: ["invalid data", "A text message that was not valid UTF-8."],
  1008: ["policy violation", "The server doesn't allow this."],
  1009: ["message too big", "A message was longer than the other side takes."],
  1010: ["missing extension", "The server lacks an extension that the client needs."],
  1011: ["internal error", "Something failed in the server: its log knows what."],
  1012: ["service restart", "The server restarts; come back in a moment."],
  1013: ["try again later", "The server is too busy just now."],
  1014: ["bad gateway", "A proxy in between got no good answer from the server."],
  4408: ["too slow", "This page read more slowly than was spoken; it comes back and catches up."],
  4410: ["silent", "Nothing was heard from this page for too long."],
  4423: ["locked", "The host has locked the room; the page asks again now and then."],
  4429: ["too fast", "Too many messages in too short a time."],
  4503: ["not allowed", "The host or the app doesn't allow this."],
  4504: ["removed", "The host has removed you from the room."],
  4509: ["replaced", "The same name connected again elsewhere, and the newer one counts."],
  4522: ["not understood", "The server could not take what this page asked for."],
  4529: ["too many connections", "There are as many connections as one name may have."],
  1015: ["TLS failure", "Never on the wire: no secure connection came about."],
};

/** The short name of a close code, such as "policy violation". */
export function closeName(code) {
  if (CLOSE_CODES[code]) return CLOSE_CODES[code][0];
  if (code >= 4000 && code <= 4999) return "private code";
  if (code >= 3000 && code <= 3999) return "registered code";
  return "unknown code";
}

/** One sentence for somebody who meets the code for the first time. */
export function closeMeaning(code) {
  if (CLOSE_CODES[code]) return CLOSE_CODES[code][1];
  if (code >= 4000 && code <= 4499) return "Private to this app; in this kit 4000 to 4499 mean: come back.";
  if (code >= 4500 && code <= 4999) return "Private to this app; in this kit 4500 to 4999 mean: don't come back.";
  if (code >= 3000 && code <= 3999) return "For libraries and frameworks, which register their codes with IANA.";
  return "No standard gives this code a meaning.";
}
