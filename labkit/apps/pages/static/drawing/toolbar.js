// toolbar.js - the tools as a toolbar should be: one stop for Tab, arrows inside it, and letters from anywhere
// on the page except where somebody types.

const TOOL_KEYS = { p: "pen", e: "eraser", l: "line", r: "rect", o: "ellipse" };
const KEY = "labkit drawing tool";

/**
 * @param {HTMLElement} bar  its buttons have data-tool, data-width or data-act
 * @param {(act: string) => void} act  "undo", "redo", "clear"
 */
export function followToolbar(bar, act) {
  const buttons = [...bar.querySelectorAll("button")];
  const chosen = { tool: "pen", width: 6, ...remembered() };

  function choose(part, value) {
    chosen[part] = value;
    for (const button of buttons) {
      if (part in button.dataset) button.setAttribute("aria-pressed", String(button.dataset[part] === String(value)));
    }
    remember(chosen);
  }

  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    if (button.dataset.tool) choose("tool", button.dataset.tool);
    else if (button.dataset.width) choose("width", Number(button.dataset.width));
    else if (button.dataset.act) act(button.dataset.act);
  });

  // One stop for Tab; the arrows go on from there.
  let stop = 0;
  const moveStop = (to) => {
    buttons[stop].tabIndex = -1;
    stop = (to + buttons.length) % buttons.length;
    buttons[stop].tabIndex = 0;
  };
  for (const button of buttons) button.tabIndex = -1;
  moveStop(0);
  bar.addEventListener("focusin", ({ target }) => moveStop(Math.max(0, buttons.indexOf(target))));
  bar.addEventListener("keydown", (event) => {
    const to = { ArrowRight: stop + 1, ArrowDown: stop + 1, ArrowLeft: stop - 1, ArrowUp: stop - 1, Home: 0, End: -1 }[
      event.key
    ];
    if (to === undefined) return;
    event.preventDefault();
    moveStop(to);
    buttons[stop].focus();
  });

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      const wanted = key === "z" ? (event.shiftKey ? "redo" : "undo") : key === "y" ? "redo" : null;
      if (!wanted) return;
      event.preventDefault();
      act(wanted);
    } else if (TOOL_KEYS[key] && !event.shiftKey) choose("tool", TOOL_KEYS[key]);
  });

  choose("tool", chosen.tool);
  choose("width", chosen.width);

  return {
    get tool() {
      return chosen.tool;
    },
    get width() {
      return chosen.width;
    },
    /** Say which acts are possible now. They keep the focus, which a disabled button would lose. */
    allow(acts) {
      for (const button of buttons) {
        if (button.dataset.act) button.setAttribute("aria-disabled", String(!acts.includes(button.dataset.act)));
      }
    },
  };
}

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

// A page that is loaded again has the same pen in its hand. Some frames allow no storage.
function remember(chosen) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(chosen));
  } catch {
    // then it starts with the pen
  }
}

function remembered() {
  try {
    const { tool, width } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    return { ...(Object.values(TOOL_KEYS).includes(tool) && { tool }), ...(width > 0 && { width }) };
  } catch {
    return {};
  }
}
