// chart.js - a line that grows to the right, as SVG: the newest value at the edge, older ones move away.
//
//     const chart = new Chart(element, { label: "CPU", unit: "%", max: 100 });
//     chart.add(Date.now(), 37.2);
//     chart.draw();
//
// Colours come from the style sheet, so the chart follows light, dark and projector by itself.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 8, right: 10, bottom: 4, left: 2 };
const GAP_FACTOR = 2.5; // a pause this many times as long as usual breaks the line: nothing is known of it
const MIN_GAP_MS = 1_000;

/** The least of 1, 2, 3, 4, 6, 8, 10, 20... that is not below `value`. */
export function niceCeiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((ceiling) => ceiling >= value * (1 - 1e-9));
}

/** Split points [{at, value}] where two are more than `gapMs` apart. */
export function runsOf(points, gapMs) {
  const runs = [];
  for (const point of points) {
    const before = runs.at(-1)?.at(-1);
    if (before && point.at - before.at <= gapMs) runs.at(-1).push(point);
    else runs.push([point]);
  }
  return runs;
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NaN;
}

export class Chart {
  points = []; // [{at, value}], oldest first; `at` in milliseconds since the epoch

  #options;
  #svg;
  #parts = {};
  #size = { width: 0, height: 0 };
  #ceiling;
  #stepMs = 0;

  /**
   * @param {Element} host  gets the chart as its only child and decides its size
   * @param {object} options
   * @param {string} options.label     what is shown, for those who can't see it
   * @param {string} [options.unit]
   * @param {number} [options.max]     the top of the scale; without one it follows the values
   * @param {number} [options.leastMax]  without `max`: the scale never ends below this
   * @param {number} [options.windowMs]  how much of the past is shown
   * @param {number} [options.gapMs]   two values further apart are not joined; by default the values decide
   */
  constructor(host, { label, unit = "", max = null, leastMax = 10, windowMs = 60_000, gapMs = null }) {
    this.#options = { label, unit, max, leastMax, windowMs, gapMs };
    this.#ceiling = max ?? leastMax;
    this.#svg = make("svg", { class: "chart", role: "img", "aria-label": label });
    const clip = make("clipPath", { id: `clip-${Math.random().toString(36).slice(2)}` });
    this.#parts.clip = make("rect", {});
    clip.append(this.#parts.clip);
    this.#parts.grid = make("g", { class: "chart-grid", "aria-hidden": "true" });
    this.#parts.marks = make("g", { class: "chart-marks" });
    this.#parts.moving = make("g", {});
    const clipped = make("g", { "clip-path": `url(#${clip.id})` });
    clipped.append(this.#parts.moving);
    this.#parts.moving.append(this.#parts.marks);
    for (const part of ["area", "line"]) {
      this.#parts[part] = make("path", { class: `chart-${part}` });
      this.#parts.moving.append(this.#parts[part]);
    }
    this.#parts.dot = make("circle", { class: "chart-dot", r: 4 });
    this.#svg.append(clip, this.#parts.grid, clipped, this.#parts.dot);
    host.replaceChildren(this.#svg);
    new ResizeObserver(() => this.draw()).observe(host);
  }

  /** Add a value. One that is older than what is there already starts the chart anew (the clock was set). */
  add(at, value) {
    const newest = this.points.at(-1);
    if (newest && at < newest.at) this.points = [];
    this.#stepMs = newest ? Math.max(0, at - newest.at) : 0;
    this.points.push({ at, value });
    const oldest = at - this.#options.windowMs * 1.1;
    while (this.points[0].at < oldest) this.points.shift();
  }

  /** Paint all that was added. `marks` are [{from, to}] of times to shade; `to` may be null: until now. */
  draw({ marks = [] } = {}) {
    const { width, height } = this.#svg.getBoundingClientRect();
    if (!width || !height) return;
    if (width !== this.#size.width || height !== this.#size.height) {
      this.#size = { width, height };
      this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      set(this.#parts.clip, {
        x: MARGIN.left,
        y: 0,
        width: Math.max(0, width - MARGIN.left - MARGIN.right + 1),
        height,
      });
      this.#ceiling = null; // draw the grid anew
    }
    this.#drawGrid();
    this.#drawLine(marks);
    this.#describe();
  }

  #x(at, now) {
    const inner = this.#size.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + inner * (1 - (now - at) / this.#options.windowMs);
  }

  #y(value) {
    const inner = this.#size.height - MARGIN.top - MARGIN.bottom;
    return MARGIN.top + inner * (1 - Math.min(1, value / this.#ceiling));
  }

  #drawGrid() {
    const { max, leastMax, unit } = this.#options;
    const highest = Math.max(...this.points.map((point) => point.value), 0);
    const ceiling = max ?? Math.max(leastMax, niceCeiling(highest));
    if (ceiling === this.#ceiling) return;
    this.#ceiling = ceiling;
    const lines = [0, 0.5, 1].flatMap((share) => {
      const y = this.#y(ceiling * share);
      const line = make("line", { x1: MARGIN.left, x2: this.#size.width - MARGIN.right, y1: y, y2: y });
      if (share === 0) return [line];
      const text = make("text", { x: MARGIN.left + 4, y: y + 4, "dominant-baseline": "hanging" });
      text.textContent = `${ceiling * share}${unit ? ` ${unit}` : ""}`;
      return [line, text];
    });
    this.#parts.grid.replaceChildren(...lines);
  }

  #drawLine(marks) {
    const newest = this.points.at(-1);
    this.#parts.dot.toggleAttribute("hidden", !newest);
    if (!newest) {
      for (const part of ["area", "line"]) this.#parts[part].setAttribute("d", "");
      return;
    }
    const now = newest.at;
    const runs = runsOf(this.points, this.#options.gapMs ?? this.#usualGapMs()).map((run) =>
      run.map(({ at, value }) => [round(this.#x(at, now)), round(this.#y(value))]),
    );
    const floor = round(this.#y(0));
    const lines = runs.map((run) => `M${run.map((xy) => xy.join(" ")).join("L")}`);
    set(this.#parts.line, { d: lines.map((line, i) => (runs[i].length > 1 ? line : `${line}h.01`)).join("") });
    set(this.#parts.area, {
      d: lines.map((line, i) => `${line}V${floor}H${runs[i][0][0]}Z`).join(""),
    });
    set(this.#parts.dot, { cx: round(this.#x(now, now)), cy: round(this.#y(newest.value)) });
    this.#parts.marks.replaceChildren(
      ...marks.map(({ from, to }) => {
        const [left, right] = [this.#x(from, now), this.#x(to ?? now, now)];
        return make("rect", { x: left, y: 0, width: Math.max(1, right - left), height: this.#size.height });
      }),
    );
    this.#slide();
  }

  #usualGapMs() {
    const steps = this.points.slice(1).map((point, index) => point.at - this.points[index].at);
    return steps.length ? Math.max(MIN_GAP_MS, GAP_FACTOR * median(steps)) : MIN_GAP_MS;
  }

  /** Let the line move on to its place instead of jumping there, for those who don't mind motion. */
  #slide() {
    if (!this.#stepMs || this.#stepMs > 2_000 || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const inner = this.#size.width - MARGIN.left - MARGIN.right;
    const from = (inner * this.#stepMs) / this.#options.windowMs;
    const frames = [{ transform: `translateX(${from}px)` }, { transform: "none" }];
    this.#parts.moving.animate(frames, { duration: this.#stepMs, easing: "linear" });
    this.#stepMs = 0;
  }

  #describe() {
    const { label, unit, windowMs } = this.#options;
    const values = this.points.map((point) => point.value);
    const said = (value) => `${value}${unit ? ` ${unit}` : ""}`;
    this.#svg.setAttribute(
      "aria-label",
      values.length
        ? `${label}, the last ${windowMs / 1_000} seconds: now ${said(values.at(-1))}, ` +
            `lowest ${said(Math.min(...values))}, highest ${said(Math.max(...values))}`
        : `${label}: nothing yet`,
    );
  }
}

function make(name, attributes) {
  return set(document.createElementNS(SVG, name), attributes);
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function round(number) {
  return Math.round(number * 10) / 10;
}
