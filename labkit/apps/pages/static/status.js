// status.js - tells people how the connection is, and what to do when it isn't.
//
//     showChip(element, live)      one line: shape, colour and words for the state of one connection
//     selfTest(notices, footer)    tests HTTP and WebSocket, and explains a failure
//     showStatus(live)             both, in the places that every page of the kit has

import { closeMeaning, closeName } from "./close-codes.js";
import { element } from "./dom.js";
import { isTerminal, wsUrl } from "./live.js";

/** Fill the page's #chip, #notices and #footer for its one connection. */
export function showStatus(live) {
  showChip(document.querySelector("#chip"), live);
  const test = selfTest(document.querySelector("#notices"), document.querySelector("#footer"));
  test.watch(live);
  return test;
}

// ------------------------------------------------------------------------------------------ the chip

/** "Closed by the server: 1008 policy violation - no token" */
export function describeClose({ code, reason, by }) {
  const who = { client: "Closed by you", server: "Closed by the server", nobody: "Connection lost" }[by];
  return `${who}: ${code} ${closeName(code)}${reason ? ` - ${reason}` : ""}`;
}

/** What the chip says: {tone, text}, where the tone is "good", "wait", "bad" or "off". */
function describe(live, brief) {
  switch (live.state) {
    case "connecting":
      return { tone: "wait", text: "Connecting…" };
    case "open":
      return { tone: "good", text: "Connected" };
    case "reconnecting":
      return { tone: "wait", text: "Reconnecting" };
    case "closing":
      return { tone: "wait", text: "Closing…" };
  }
  if (!live.lastClose) return { tone: "off", text: "Not connected" };
  const tone = live.lastClose.by === "client" ? "off" : "bad";
  return { tone, text: brief ? `Closed: ${live.lastClose.code}` : describeClose(live.lastClose) };
}

/**
 * Show the state of `live` in `chip`, for eyes and for screen readers. The countdown changes every
 * second, so it stands outside the part that is read aloud.
 *
 * @param {{brief: boolean}} [options]  brief: for pages that tell the rest elsewhere and have their own buttons
 */
export function showChip(chip, live, { brief = false } = {}) {
  const text = element("span", { role: "status", "aria-live": "polite" });
  const extra = element("span", { class: "chip-extra" });
  const act = element("button", { type: "button", class: "chip-button", hidden: true });
  chip.classList.add("chip");
  chip.replaceChildren(element("span", { class: "chip-shape", "aria-hidden": "true" }), text, extra, act);
  act.addEventListener("click", () => (live.state === "closed" ? live.connect() : live.retryNow()));

  let backMs = null; // how long the line was down, for the first seconds after it came back
  let missedText = ""; // and what of it was caught up, where the app can tell
  let ticking;

  function draw() {
    const said = describe(live, brief);
    chip.dataset.tone = said.tone;
    if (text.textContent !== said.text) text.textContent = said.text;
    extra.textContent = "";
    if (live.state === "open" && backMs !== null) extra.textContent = `back after ${seconds(backMs)}${missedText}`;
    if (live.state === "reconnecting") {
      const leftS = Math.ceil((live.nextRetryAt - Date.now()) / 1000);
      extra.textContent = `${live.nextRetryAt && leftS > 0 ? `in ${leftS} s ` : "now "}(try ${live.attempt})…`;
    }
    act.hidden = brief || !(live.nextRetryAt || (live.state === "closed" && live.lastClose));
    act.textContent = live.state === "closed" ? "Connect again" : "Try now";
    clearTimeout(ticking);
    if (live.nextRetryAt) ticking = setTimeout(draw, 250);
  }

  live.addEventListener("state", draw);
  live.addEventListener("open", ({ detail }) => {
    if (!detail.again) return;
    backMs = detail.downMs;
    missedText = "";
    draw();
    setTimeout(() => {
      backMs = null;
      draw();
    }, 10_000);
  });
  live.addEventListener("caughtup", ({ detail }) => {
    const { missed, what = "message" } = detail;
    const count = missed === 1 ? `1 ${what}` : `${missed} ${what}s`;
    missedText = detail.recovered ? `, ${count} caught up` : ", what was said meanwhile is lost";
    draw();
  });
  draw();
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

// ------------------------------------------------------------------------------------- the self-test

const TEST_TIMEOUT_MS = 5_000;
const LOCKED = 4423;

/**
 * The HTTP half: ask the server who it is, at _lab/whoami, which labkit puts beside every app.
 * @returns {Promise<{works: boolean, status: number|null, whoami: object|null}>}  works: a server
 *   answered; whoami: null when it runs without labkit (404), which is fine; status: null when nobody did.
 */
export async function testHttp() {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), TEST_TIMEOUT_MS);
  try {
    const address = new URL("_lab/whoami", document.baseURI);
    const response = await fetch(address, { cache: "no-store", signal: patience.signal });
    const isJson = (response.headers.get("content-type") ?? "").includes("json");
    const whoami = response.ok && isJson ? await response.json() : null;
    return { works: whoami !== null || response.status === 404, status: response.status, whoami };
  } catch {
    return { works: false, status: null, whoami: null }; // nobody listens, or nobody answered in time
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The WebSocket half: can any be opened? labkit accepts and closes one at _lab/probe, beside every app,
 * so that a way without WebSockets can be told from an app that refuses ours.
 */
export function testWebSocket() {
  return new Promise((resolve) => {
    const socket = new WebSocket(wsUrl("_lab/probe"));
    const finish = (works) => {
      clearTimeout(timer);
      socket.onopen = socket.onclose = null;
      socket.close();
      resolve(works);
    };
    const timer = setTimeout(() => finish(false), TEST_TIMEOUT_MS);
    socket.onopen = () => finish(true);
    socket.onclose = () => finish(false);
  });
}

/**
 * Say which of the two failed and what to do: {title, advice: [sentence...]}, or null when nothing did.
 * Only plain values come in, so every answer can be tested.
 * @param {{works: boolean, status: number|null}} http
 * @param {"untried"|"works"|"refused"|"fails"} ws  refused: others get through, the app's own didn't open
 * @param {URL|Location} place  where the page came from
 */
export function diagnose(http, ws, place) {
  const proxied = isProxied(place);
  if (http.works && (ws === "works" || ws === "untried")) return null;

  if (http.works && ws === "refused") {
    return {
      title: "HTTP works and WebSockets get through, but the app refused this one.",
      advice: [
        "A wrong path, a handler that raised or returned before accept(), or a rule that says no. " +
          "Browsers don't tell a page which: lab.logs does, and so does connect(lab, path) in a cell.",
      ],
    };
  }

  if (http.works) {
    const advice = [];
    if (proxied) {
      const port = place.pathname.match(/\/proxy\/(?:absolute\/)?(\d+)/)?.[1] ?? "PORT";
      advice.push(
        "Most likely a proxy in between doesn't forward WebSocket upgrades. jupyter-server-proxy 4.2 or " +
          "later does; an nginx before it needs its Upgrade and Connection headers set.",
        `If the server runs on this computer, open http://localhost:${port}/ directly.`,
      );
    } else {
      advice.push(
        "Either the server refused the handshake (lab.logs knows why), or something in between doesn't " +
          "forward WebSocket upgrades: a proxy, a firewall, a browser extension. Open the server's direct " +
          "address, or install jupyter-server-proxy where Jupyter runs.",
      );
    }
    if (place.protocol === "https:") {
      advice.push(
        "This page came over https, so its WebSocket has to be wss: and pass the same proxy. Browsers " +
          "block plain ws: from here as mixed content.",
      );
    }
    return { title: "HTTP works, the WebSocket doesn't.", advice };
  }

  if (ws === "works") return null; // a WebSocket that is open is all that the page needs

  if (http.status === null) {
    const advice = isLocal(place)
      ? ["Most likely the server has stopped. Run the cell that starts it again: this page comes back by itself."]
      : [
          "Most likely the server has stopped. When whoever runs it starts it again, this page comes back by itself.",
          "If it runs, something between here and there is cut: the network, the VPN, or a forwarded port.",
        ];
    return { title: "The server doesn't answer: neither HTTP nor the WebSocket works.", advice };
  }
  if ([200, 401, 403].includes(http.status)) {
    return {
      title: `HTTP is answered by somebody else (status ${http.status}), the WebSocket doesn't work.`,
      advice: ["It looks like a login page. Log in to Jupyter again, then reload this page."],
    };
  }
  return {
    title: `HTTP is answered with an error (status ${http.status}), the WebSocket doesn't work.`,
    advice: [
      proxied
        ? "The proxy is there, the server behind it isn't. Run the cell that starts it again."
        : "The server, or a proxy before it, is in trouble: look at lab.logs.",
    ],
  };
}

/** A note for pages that come through jupyter-server-proxy; it passes text on, but not how a connection ends. */
const PROXY_NOTE =
  "This page comes through Jupyter's proxy. Messages pass unchanged, but close codes, reasons and pings are " +
  "the proxy's own, not the server's. In a cell, connect(lab) shows the real ones.";

/**
 * Test now and whenever a connection can't be opened; put explanations into `notices` and one line of
 * results into `footer`.
 *
 * @param {{probe: boolean}} [options]  probe: test the WebSocket on load too, for pages that open none
 * @returns {{watch(live: Live): void}}  a Live to watch is the WebSocket half of the test
 */
export function selfTest(notices, footer, { probe = false } = {}) {
  const boxes = {
    diagnosis: notice("bad"),
    terminal: notice("bad"),
    stranger: notice("wait"),
    proxy: notice("off"),
  };
  notices.replaceChildren(...Object.values(boxes));
  const expectedId = new URLSearchParams(location.search).get("lab");
  let http = null;
  let ws = "untried";
  let firstWhoami = null;

  function draw() {
    const httpSays = { true: "works", false: "fails", undefined: "is being tested" }[http?.works];
    const wsSays = { untried: "not tried yet", works: "works", refused: "refused", fails: "fails" }[ws];
    const who = http?.whoami ? ` · server ${http.whoami.server}, process ${http.whoami.pid}` : "";
    footer.textContent = `HTTP ${httpSays} · WebSocket ${wsSays}${who}`;
    const found = http && diagnose(http, ws, location);
    fill(boxes.diagnosis, found?.title, found?.advice);
  }

  async function test({ webSocketToo }) {
    http = await testHttp();
    if (http.whoami) {
      firstWhoami ??= http.whoami;
      fill(boxes.stranger, strangerText(http.whoami, firstWhoami, expectedId));
      if (webSocketToo) {
        const probeWorks = await testWebSocket();
        // Meanwhile the page's own connection may have opened: that beats any probe.
        if (ws === "untried" && probeWorks) ws = "works";
        else if (ws !== "works") ws = probeWorks ? "refused" : "fails";
      }
    }
    draw();
  }

  function watch(live) {
    live.addEventListener("open", ({ detail }) => {
      ws = "works";
      draw();
      if (detail.again || !http?.works) test({ webSocketToo: false }); // it may be another server now
    });
    live.addEventListener("close", ({ detail }) => {
      if (detail.by === "client") return;
      // A server that restarts is back in a moment: only a try that failed is worth an explanation.
      if (!detail.opened) {
        ws = "fails";
        test({ webSocketToo: true });
      } else if (isTerminal(detail.code)) {
        fill(boxes.terminal, `${detail.code} ${closeName(detail.code)}: ${closeMeaning(detail.code)}`, [
          "After this code nobody comes back by themselves: it would end the same way.",
        ]);
      } else if (detail.code === LOCKED) {
        fill(boxes.terminal, `${LOCKED} ${closeName(LOCKED)}: ${closeMeaning(LOCKED)}`, [
          "It comes in by itself when the room is open again.",
        ]);
      }
    });
    live.addEventListener("message", () => fill(boxes.terminal)); // who is spoken to is in
    live.addEventListener("state", () => live.state === "connecting" && fill(boxes.terminal));
  }

  if (isProxied(location)) fill(boxes.proxy, PROXY_NOTE);
  draw();
  test({ webSocketToo: probe });
  return { watch };
}

/**
 * lab.show() puts ?lab=ID into the frame's address: a saved notebook may show a frame whose server is
 * gone and whose port is somebody else's. A server that was only started again under our eyes is no stranger.
 */
function strangerText(whoami, firstWhoami, expectedId) {
  if (!expectedId || expectedId === whoami.id) return "";
  const sameServer = whoami.server === firstWhoami.server && whoami.pid === firstWhoami.pid;
  if (firstWhoami.id === expectedId && sameServer) return "";
  const where = whoami.notebook ? ` of ${whoami.notebook}` : "";
  return (
    "This frame belonged to a server that has stopped; this port now belongs to " +
    `“${whoami.server}”${where} (process ${whoami.pid}). Run the frame's cell again to get its own server back.`
  );
}

function isProxied(place) {
  return place.pathname.includes("/proxy/");
}

function isLocal(place) {
  return ["localhost", "127.0.0.1", "[::1]"].includes(place.hostname);
}

// --------------------------------------------------------------------------------------- the notices

function notice(tone) {
  return element("div", { class: "notice", "data-tone": tone, role: "status", hidden: true });
}

/** Show a notice with a first line and more sentences below it, or hide it when there is no first line. */
function fill(box, title = "", advice = []) {
  if (box.dataset.said === title + advice) return; // unchanged: don't have it read aloud again
  box.dataset.said = title + advice;
  box.hidden = !title;
  box.replaceChildren(
    element("p", { class: "notice-title" }, title),
    ...advice.map((sentence) => element("p", {}, sentence)),
  );
}
