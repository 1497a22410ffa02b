// keeping.js - save and load by a name, and what can be taken home: a picture, or the strokes themselves.

const SAID_MS = 8_000;

/**
 * @param {object} parts  the elements {form, name, load, why, png, svg, json}
 * @param {(message: object) => boolean} send
 * @param {() => Promise<Blob>} toPng
 */
export function keepDrawings({ form, name, load, why, png, svg, json }, send, toPng) {
  let asked = null; // the message that waits for its answer
  let timer;

  function ask(type) {
    if (!name.reportValidity()) return;
    const message = { type, name: name.value };
    asked = send(message) ? message : null;
    if (asked) say(type === "save" ? "Saving…" : "Loading…");
    else say("There is no connection now. Try again when it is back.");
  }

  function say(text) {
    clearTimeout(timer);
    why.textContent = text;
    timer = setTimeout(() => (why.textContent = ""), SAID_MS);
  }

  function refused(text) {
    asked = null;
    say(text);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask("save");
  });
  load.addEventListener("click", () => ask("load"));

  png.addEventListener("click", async () => {
    const address = URL.createObjectURL(await toPng());
    download(address, "drawing.png");
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  });

  return {
    /** The server exports a board by its name. */
    boardIs(board) {
      for (const [kind, link] of Object.entries({ svg, json })) {
        link.href = new URL(`boards/${encodeURIComponent(board)}.${kind}`, document.baseURI).href;
        link.download = `drawing.${kind}`;
      }
    },
    saved({ name: saved, lasting }) {
      asked = null;
      say(lasting ? `Saved as “${saved}”.` : `Saved as “${saved}”, until the server ends: it has no folder.`);
    },
    loaded() {
      if (asked?.type === "load") say(`“${asked.name}” is on the board.`);
      asked = null;
    },
    refused,
    /** The answer won't come any more. */
    lineIsDown() {
      if (asked) refused("The connection was lost meanwhile. Try again when it is back.");
    },
  };
}

function download(address, fileName) {
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName;
  link.click();
}
