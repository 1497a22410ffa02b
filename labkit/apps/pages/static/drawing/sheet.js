// sheet.js - shows the board on two canvases: below, what is finished, painted once; above, what still grows,
// painted anew for each frame. So a frame costs what is being drawn, not what has ever been drawn.

import { boundsOf, overlap, paintItem } from "./paint.js";
import { HEIGHT, WIDTH } from "./paper.js";

const ITEMS_A_FRAME = 500; // a full board comes in a few frames, and the pen isn't held up meanwhile
const WHOLE = [0, 0, WIDTH, HEIGHT];
const EXPORT_PAPER = "#ffffff"; // as in the SVG: a picture that is handed on is nobody's dark theme

export class Sheet {
  #base;
  #live;
  #source;
  #paper = "#ffffff";
  #paintedTo = -Infinity; // items up to this place in the order are on the base
  #repaintAll = true;
  #planned = false;

  /**
   * @param {HTMLCanvasElement} base
   * @param {HTMLCanvasElement} live  lies above it, in the same place and size
   * @param {{items: object[], live: object[], takeDamage: () => number[][] | null}} source
   *   items: what is finished, in its order, each with `order`; live: what lies above it and may still change;
   *   takeDamage(): boxes in which something has changed among the finished since the last call, null: everywhere
   */
  constructor(base, live, source) {
    this.#base = base.getContext("2d", { alpha: false });
    this.#live = live.getContext("2d");
    this.#source = source;
    const observer = new ResizeObserver((entries) => this.#resized(entries.at(-1)));
    try {
      observer.observe(live, { box: "device-pixel-content-box" }); // moving to another screen counts too
    } catch {
      observer.observe(live); // Safari knows no such box
    }
  }

  /** The paper's colour, as "#rrggbb". */
  set paper(colour) {
    this.#paper = colour;
    this.#repaintAll = true;
    this.plan();
  }

  /** Paint in the next frame. */
  plan() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#paint();
    });
  }

  /** The board as a PNG of its own size, the same from every page. */
  toPng() {
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const context = canvas.getContext("2d", { alpha: false });
    fill(context, EXPORT_PAPER, WHOLE);
    for (const item of [...this.#source.items, ...this.#source.live]) paintItem(context, item, EXPORT_PAPER);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  // A canvas has as many pixels as the screen under it, whatever the zoom: else lines are blurred.
  #resized({ devicePixelContentBoxSize, contentRect }) {
    const exact = devicePixelContentBoxSize?.[0];
    const width = nearest(contentRect.width * devicePixelRatio, exact?.inlineSize);
    const height = nearest(contentRect.height * devicePixelRatio, exact?.blockSize);
    if (!width || !height) return;
    for (const context of [this.#base, this.#live]) {
      const { canvas } = context;
      if (canvas.width === width && canvas.height === height) continue;
      canvas.width = width;
      canvas.height = height;
      this.#repaintAll = true;
    }
    for (const context of [this.#base, this.#live]) {
      context.setTransform(width / WIDTH, 0, 0, height / HEIGHT, 0, 0);
    }
    // Setting the size has emptied both: paint before the browser shows that.
    if (this.#repaintAll) this.#paint();
  }

  #paint() {
    const { items } = this.#source;
    const damage = this.#source.takeDamage();
    if (this.#repaintAll || damage === null) {
      this.#repaintAll = false;
      this.#paintedTo = -Infinity;
      fill(this.#base, this.#paper, WHOLE);
    } else {
      for (const box of damage) this.#repaint(box);
    }
    let next = items.length;
    while (next > 0 && items[next - 1].order > this.#paintedTo) next -= 1;
    for (const item of items.slice(next, next + ITEMS_A_FRAME)) {
      paintItem(this.#base, item, this.#paper);
      this.#paintedTo = item.order;
    }
    if (next + ITEMS_A_FRAME < items.length) this.plan();
    this.#live.clearRect(0, 0, WIDTH, HEIGHT);
    for (const item of this.#source.live) paintItem(this.#live, item, this.#paper);
  }

  /** Paint a part of the base anew: what an undo costs doesn't grow with the board. */
  #repaint(box) {
    const context = this.#base;
    const aligned = this.#toWholePixels(box);
    context.save();
    context.beginPath();
    context.rect(aligned[0], aligned[1], aligned[2] - aligned[0], aligned[3] - aligned[1]);
    context.clip();
    fill(context, this.#paper, aligned);
    for (const item of this.#source.items) {
      if (item.order > this.#paintedTo) break;
      item.bounds ??= boundsOf(item);
      if (overlap(item.bounds, aligned)) paintItem(context, item, this.#paper);
    }
    context.restore();
  }

  // A clip through the middle of a pixel would leave a seam.
  #toWholePixels([left, top, right, bottom]) {
    const { width, height } = this.#base.canvas;
    const [perX, perY] = [width / WIDTH, height / HEIGHT];
    return [
      Math.floor(left * perX) / perX,
      Math.floor(top * perY) / perY,
      Math.ceil(right * perX) / perX,
      Math.ceil(bottom * perY) / perY,
    ];
  }
}

/** The browser's own count of pixels, if it is one for this screen: an emulated phone gets the computer's. */
function nearest(computed, exact) {
  return Math.abs(exact - computed) <= 1 ? exact : Math.round(computed);
}

function fill(context, colour, [left, top, right, bottom]) {
  context.fillStyle = colour;
  context.fillRect(left, top, right - left, bottom - top);
}
