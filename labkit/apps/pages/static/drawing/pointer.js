// pointer.js - mouse, finger and stylus become strokes. One finger draws; a second one means that the hand wants
// something else, and takes the stroke back.

import { HEIGHT, WIDTH } from "./paper.js";

const STYLUS_ERASER_BUTTON = 32;

/**
 * @param {HTMLElement} surface  shows the whole board; its style has `touch-action: none`
 * @param {object} hand
 * @param {(at: number[], options: {isTouch: boolean, isEraser: boolean}) => boolean} hand.down  false: may not draw now
 * @param {(points: number[][]) => void} hand.draw   the pen went on
 * @param {(at?: number[]) => void} hand.up          the pen was lifted
 * @param {() => void} hand.takeBack                 the stroke was a mistake
 * @param {(at: number[] | null) => void} hand.hover over the board without drawing; null: away
 */
export function followPointers(surface, hand) {
  let drawing = null; // the pointer that draws
  const fingers = new Set();
  let ignoreFingers = false; // from the second finger on, until all are up

  const place = ({ clientX, clientY }) => {
    const box = surface.getBoundingClientRect();
    return [((clientX - box.left) * WIDTH) / box.width, ((clientY - box.top) * HEIGHT) / box.height];
  };

  surface.addEventListener("pointerdown", (event) => {
    const isTouch = event.pointerType === "touch";
    if (isTouch) fingers.add(event.pointerId);
    if (isTouch && fingers.size > 1) {
      ignoreFingers = true;
      if (drawing?.isTouch) takeBack();
      return;
    }
    if (event.pointerType === "pen" && drawing?.isTouch) takeBack(); // that was the palm of the hand that holds it
    if (drawing || (isTouch && ignoreFingers)) return;
    const isEraser = event.pointerType === "pen" && (event.buttons & STYLUS_ERASER_BUTTON) !== 0;
    if (event.button !== 0 && !isEraser) return;
    event.preventDefault(); // no selecting, and the focus stays where we put it
    surface.classList.add("by-pointer"); // until the arrows are used: no ring, and no word about keys
    surface.focus({ preventScroll: true });
    if (!hand.down(place(event), { isTouch, isEraser })) return;
    drawing = { id: event.pointerId, isTouch };
    surface.setPointerCapture(event.pointerId); // the stroke goes on when the pointer leaves the board
  });

  surface.addEventListener("pointermove", (event) => {
    if (drawing?.id === event.pointerId) {
      // A frame brings one event; what the pen did since the last one is inside it.
      const parts = event.getCoalescedEvents?.() ?? [];
      hand.draw((parts.length ? parts : [event]).map(place));
    } else if (!drawing && event.pointerType !== "touch") hand.hover(place(event));
  });

  surface.addEventListener("pointerup", (event) => lift(event, place(event)));
  // The system took the pointer away (a palm, a turned phone): what has been drawn stays, this point is no aim.
  surface.addEventListener("pointercancel", (event) => lift(event));
  surface.addEventListener("lostpointercapture", (event) => lift(event));
  surface.addEventListener("pointerleave", (event) => {
    if (!drawing && event.pointerType !== "touch") hand.hover(null);
  });
  surface.addEventListener("contextmenu", (event) => {
    if (event.pointerType === "touch" || drawing) event.preventDefault(); // a long press is a slow stroke
  });

  function lift(event, at) {
    fingers.delete(event.pointerId);
    if (fingers.size === 0) ignoreFingers = false;
    if (drawing?.id !== event.pointerId) return;
    const { isTouch } = drawing;
    drawing = null;
    hand.up(at);
    if (isTouch) hand.hover(null);
  }

  function takeBack() {
    const { id } = drawing;
    drawing = null;
    surface.releasePointerCapture(id);
    hand.takeBack();
    hand.hover(null);
  }

  return {
    /** Whether a pointer draws at this moment. */
    get isDown() {
      return drawing !== null;
    },
  };
}
