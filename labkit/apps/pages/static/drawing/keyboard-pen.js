// keyboard-pen.js - draw without a pointer: the arrows move a cross, Space puts the pen down and lifts it.

import { HEIGHT, WIDTH } from "./paper.js";

const STEP = 10; // board units
const LONG_STEP = 50; // with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {HTMLElement} surface  gets the keys while it has the focus
 * @param {HTMLElement} cross    is shown where the pen is
 * @param {object} hand          as in pointer.js
 * @param {(text: string) => void} tell  says what happened to those who can't see it
 */
export function followKeys(surface, cross, hand, tell) {
  let at = [WIDTH / 2, HEIGHT / 2];
  let isDown = false;

  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? LONG_STEP : STEP;
      at = [within(at[0] + arrow[0] * step, WIDTH), within(at[1] + arrow[1] * step, HEIGHT)];
      if (isDown) hand.draw([at]);
      else hand.hover(at);
      show();
    } else if (event.key === " ") {
      if (event.repeat) return event.preventDefault();
      if (isDown) lift();
      else if (hand.down(at, { isTouch: false, isEraser: false })) {
        isDown = true;
        tell(`Pen down at ${where()}`);
      }
      show();
    } else if (event.key === "Escape" && isDown) {
      isDown = false;
      hand.takeBack();
      tell("Stroke taken back");
    } else return;
    event.preventDefault();
  });

  surface.addEventListener("pointerdown", () => {
    if (isDown) lift();
    cross.hidden = true;
  });
  surface.addEventListener("blur", () => {
    surface.classList.remove("by-pointer");
    if (isDown) lift();
    cross.hidden = true;
  });

  function lift() {
    isDown = false;
    hand.up(at);
    tell(`Pen up at ${where()}`);
  }

  function show() {
    surface.classList.remove("by-pointer");
    cross.hidden = false;
    cross.dataset.down = String(isDown);
    cross.style.left = `${(at[0] / WIDTH) * 100}%`;
    cross.style.top = `${(at[1] / HEIGHT) * 100}%`;
  }

  function where() {
    return `${Math.round(at[0])}, ${Math.round(at[1])}`;
  }
}

function within(value, size) {
  return Math.min(Math.max(value, 0), size);
}
