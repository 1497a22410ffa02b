// dom.js - makes elements. Text becomes text nodes, so it can never turn into markup.

/**
 * element("li", {class: "row", hidden: true}, "text", otherElement) makes <li class="row" hidden>.
 * Attributes that are false, null or undefined are left out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/**
 * Puts the keyboard into a field, unless that would take it from somebody else: a page in a notebook's cell loads
 * while its reader goes on with Shift+Enter, which has to stay the notebook's until they turn to the page.
 */
export function takeFocus(field, { select = false } = {}) {
  if (window.parent !== window && !touched) return;
  field.focus();
  if (select) field.select(); // which takes the keyboard too
}

let touched = false; // somebody has clicked or typed in this page
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => (touched = true), { capture: true, once: true });
}

/**
 * Keeps the newest row of a scrolling box in view, unless somebody has scrolled up to read.
 * Call the returned function after adding rows; it works once a frame, however many were added.
 */
export function followNewest(box) {
  let following = true;
  let planned = false;
  box.addEventListener("scroll", () => {
    if (!planned) following = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  });
  return () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
      planned = false;
      if (following) box.scrollTop = box.scrollHeight;
    });
  };
}
