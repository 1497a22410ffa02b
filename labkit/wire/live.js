// live.js - the live timeline: lays out the rows that the kernel tells, draws only those in view, asks for faults.

const ROW_PX = 54;
const VIEW_MAX_PX = 440;
const VIEW_MIN_PX = 120;
const SPARE_ROWS = 8;
const SIGNS = { plain: "·", quiet: "·", good: "✓", warn: "!", bad: "✗" };
const COLOURS = { text: "text", continuation: "text", binary: "binary", ping: "beat", pong: "beat", close: "close" };
const KINDS = [
  ["text", "text"],
  ["binary", "binary"],
  ["beat", "ping, pong"],
  ["close", "close"],
  ["other", "HTTP and TCP"],
];

function make(tag, { classes = "", text = "", ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function seconds(value) {
  if (Math.abs(value) >= 0.9995) return `${value.toFixed(3)} s`;
  return Math.abs(value) >= 0.09995 ? `${(value * 1000).toFixed(0)} ms` : `${(value * 1000).toFixed(1)} ms`;
}

function kindOf(row) {
  return row.kind === "frame" ? COLOURS[row.label] || "text" : "other";
}

function drawRow(row, onClick) {
  const lane = make("div", { classes: "lane" });
  if (row.sender) {
    const colour = row.tone === "bad" || row.tone === "warn" ? row.tone : COLOURS[row.label] || "quiet";
    lane.append(
      make(
        "div",
        { classes: "said" },
        make("span", { classes: `name ${COLOURS[row.label] || "quiet"}`, text: row.label }),
        make("span", { classes: "detail", text: row.detail }),
        make("span", { classes: "size", text: row.size }),
      ),
      make("div", { classes: `arrow ${colour}`, "aria-hidden": "true" }),
    );
    if (row.notes.length) {
      const notes = row.notes.map(([tone, text]) => make("span", { classes: tone, text: `${SIGNS[tone]} ${text}` }));
      lane.append(make("div", { classes: "notes", title: row.notes.map(([, text]) => text).join(" · ") }, ...notes));
    }
  } else {
    const sign = row.kind === "note" ? SIGNS[row.tone] : row.kind === "fold" ? "⋮" : "■";
    lane.append(make("div", { classes: `remark ${row.tone}`, text: `${sign} ${row.label}` }));
  }
  const number = row.number === null ? "" : `#${row.number}`;
  const parts = [
    make("span", { classes: "at", text: seconds(row.at_s) }),
    make("span", { classes: "number", text: number }),
    lane,
  ];
  const classes = `row ${row.sender || ""} ${row.arrives ? "" : "lost"}`;
  if (row.number === null) return make("div", { classes, role: "listitem" }, ...parts);
  const from = `frame ${row.number} from the ${row.sender}: ${row.label} ${row.detail}, show its bits`;
  const button = make("button", { classes, type: "button", "aria-label": from }, ...parts);
  button.addEventListener("click", onClick);
  return make("div", { role: "listitem" }, button);
}

function drawBits(place, bits) {
  const box = make("table", { classes: "box" });
  for (const word of bits.words) {
    const cells = word.map(([name, part]) =>
      make("td", { classes: name.split(" ")[0], colspan: part.length }, make("b", { text: part.replace(/(.{8})(?=.)/g, "$1 ") }), make("small", { text: name })),
    );
    box.append(make("tr", {}, ...cells));
  }
  const fields = make("table");
  for (const [name, value, meaning] of bits.fields) {
    fields.append(make("tr", {}, make("th", { text: name, scope: "row" }), make("td", { classes: "mono", text: value }), make("td", { text: meaning })));
  }
  const parts = [make("strong", { text: bits.title }), box, fields, ...bits.told.map((text) => make("div", { text }))];
  if (bits.mask.length) {
    const mask = make("table", { classes: "mono" });
    ["on the wire", "^ masking key", "= payload", "as text"].forEach((name, line) => {
      mask.append(make("tr", {}, make("th", { text: name, scope: "row" }), ...bits.mask.map((step) => make("td", { text: step[line] }))));
    });
    parts.push(mask);
  }
  parts.push(make("div", { text: `payload: ${bits.payload}` }));
  place.replaceChildren(...parts);
}

function render({ model, el }) {
  let rows = [];
  let shown = [];
  let talk = null;
  let head = null;
  const hidden = new Set();

  const choice = make("select", { "aria-label": "Connection" });
  const follow = make("input", { type: "checkbox" });
  follow.checked = true;
  const filters = KINDS.map(([kind, name]) => {
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(kind);
      else hidden.add(kind);
      refilter();
    });
    return make("label", {}, box, name);
  });
  const state = make("span", { classes: "state", role: "status" });
  const verdict = make("ul", { classes: "verdict", "aria-live": "polite" });
  const client = make("span", { text: "client" });
  const lanes = make("div", { classes: "lanes", "aria-hidden": "true" }, client, make("span", { text: "server" }));
  const space = make("div", { classes: "space", role: "list", "aria-label": "Frames, oldest first" });
  const view = make("div", { classes: "view", tabindex: "0", "aria-label": "Timeline" }, space);
  const faults = make("div", { classes: "bar faults", role: "group", "aria-label": "Faults" });
  const only = make("input", { type: "checkbox" });
  const problem = make("div", { classes: "problem bad", role: "alert" });
  const bits = make("div", { classes: "bits", role: "region", "aria-label": "Bits of a frame" });
  const root = make(
    "section",
    { classes: "labkit-live", "aria-label": "The wire, live" },
    make("div", { classes: "bar" }, choice, ...filters, make("label", {}, follow, "follow"), state),
    verdict,
    lanes,
    view,
    faults,
    problem,
    bits,
  );
  el.replaceChildren(root);

  choice.addEventListener("change", () => {
    model.send({ ask: "watch", talk: choice.value === "newest" ? null : Number(choice.value) });
  });
  view.addEventListener("scroll", () => requestAnimationFrame(draw));

  function refilter() {
    shown = hidden.size ? rows.filter((row) => !hidden.has(kindOf(row))) : rows;
    space.style.height = `${shown.length * ROW_PX}px`;
    view.style.height = `${Math.max(VIEW_MIN_PX, Math.min(VIEW_MAX_PX, shown.length * ROW_PX + 4))}px`;
    if (follow.checked) view.scrollTop = view.scrollHeight;
    draw();
  }

  function draw() {
    const first = Math.max(0, Math.floor(view.scrollTop / ROW_PX) - SPARE_ROWS);
    const last = Math.min(shown.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW_PX) + SPARE_ROWS);
    const focused = space.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const drawn = [];
    for (let place = first; place < last; place += 1) {
      const row = shown[place];
      if (!row) continue;
      const element = drawRow(row, () => model.send({ ask: "bits", talk, frame: row.number }));
      const line = element.classList.contains("row") ? element : element.firstChild;
      line.style.top = `${place * ROW_PX}px`;
      drawn.push(element);
    }
    space.replaceChildren(...drawn);
    if (focused) drawn.map((each) => each.firstChild).find((each) => each.getAttribute?.("aria-label") === focused)?.focus();
    root.dataset.rows = String(rows.length);
    root.dataset.drawn = String(drawn.length);
  }

  function showHead() {
    const options = [["newest", "newest connection"], ...head.talks.map((each) => [String(each.id), each.title])];
    choice.replaceChildren(...options.map(([value, text]) => make("option", { value, text })));
    choice.value = head.newest ? "newest" : String(head.watched);
    verdict.replaceChildren(
      ...head.verdict.map(([tone, text]) => make("li", { classes: tone, text: `${SIGNS[tone]} ${text}` })),
    );
    client.textContent = head.port === null ? "client" : `client :${head.port}`;
    state.textContent = head.running ? (head.talks.length ? "recording" : "recording: nothing yet") : "stopped";
    if (!faults.childElementCount) {
      faults.append(make("strong", { text: "Break it:" }));
      for (const [name, text] of head.buttons) {
        const button = make("button", { type: "button", text, "data-fault": name });
        button.addEventListener("click", () => {
          problem.textContent = "";
          model.send({ ask: "fault", name, talk: only.checked ? talk : null });
        });
        faults.append(button);
      }
      const mend = make("button", { type: "button", text: "all well again", "data-fault": "mend" });
      mend.addEventListener("click", () => model.send({ ask: "mend" }));
      faults.append(mend, make("label", {}, only, "only this connection"), make("span", { classes: "warn at-work", role: "status" }));
    }
    for (const button of faults.querySelectorAll("button")) button.disabled = !head.running;
    faults.querySelector(".at-work").textContent = head.faults.length ? `! at work: ${head.faults.join("; ")}` : "";
  }

  function onMessage(message) {
    if (message.kind === "head") {
      head = message;
      showHead();
    } else if (message.kind === "rows") {
      if (message.talk !== talk) rows = [];
      talk = message.talk;
      rows.length = Math.min(rows.length, message.count);
      for (const [place, row] of message.rows) rows[place] = row;
      refilter();
    } else if (message.kind === "bits") {
      drawBits(bits, message.bits);
    } else if (message.kind === "problem") {
      problem.textContent = message.text;
    }
  }

  model.on("msg:custom", onMessage);
  model.send({ ask: "everything" });
  return () => model.off("msg:custom", onMessage);
}

export default { render };
