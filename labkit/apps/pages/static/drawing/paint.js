// paint.js - how one item looks. The same numbers give the same picture on every screen: only raw points
// travel, and they are made smooth here.
//
// An item is {tool, color, width, points}, its points flat: [x, y, x, y...], in the board's own units.

import { inkOn } from "./paper.js";

/** Paint one item on a 2D context that is scaled to the board's units. */
export function paintItem(context, item, paper) {
  const { tool, points, width } = item;
  if (points.length < 2) return;
  // An eraser is a pen with the paper's own colour: it covers what was there before it, and nothing after.
  const ink = tool === "eraser" ? paper : inkOn(paper, item.color);
  context.strokeStyle = context.fillStyle = ink;
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  if (isDot(points)) {
    context.arc(points[0], points[1], width / 2, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  trace[tool]?.(context, points);
  context.stroke();
}

const trace = {
  pen: smooth,
  eraser: smooth,
  line(context, points) {
    context.moveTo(points[0], points[1]);
    context.lineTo(points.at(-2), points.at(-1));
  },
  rect(context, points) {
    const [left, top, right, bottom] = cornersOf(points);
    context.rect(left, top, right - left, bottom - top);
  },
  ellipse(context, points) {
    const [left, top, right, bottom] = cornersOf(points);
    context.ellipse((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2, 0, 0, 2 * Math.PI);
  },
};

/** A curve through the middles between points, bent towards each point. */
function smooth(context, points) {
  context.moveTo(points[0], points[1]);
  for (let i = 2; i < points.length - 2; i += 2) {
    const [x, y] = [points[i], points[i + 1]];
    context.quadraticCurveTo(x, y, (x + points[i + 2]) / 2, (y + points[i + 3]) / 2);
  }
  context.lineTo(points.at(-2), points.at(-1));
}

function isDot(points) {
  return points.every((value, i) => value === points[i % 2]);
}

/** The first and the last point of a shape, as [left, top, right, bottom]. */
function cornersOf(points) {
  const [x, y, x2, y2] = [points[0], points[1], points.at(-2), points.at(-1)];
  return [Math.min(x, x2), Math.min(y, y2), Math.max(x, x2), Math.max(y, y2)];
}

/** What an item covers, as [left, top, right, bottom]. */
export function boundsOf({ points, width }) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    bounds[0] = Math.min(bounds[0], points[i]);
    bounds[1] = Math.min(bounds[1], points[i + 1]);
    bounds[2] = Math.max(bounds[2], points[i]);
    bounds[3] = Math.max(bounds[3], points[i + 1]);
  }
  const margin = width / 2 + 1;
  return [bounds[0] - margin, bounds[1] - margin, bounds[2] + margin, bounds[3] + margin];
}

/** Whether two such boxes have something in common. */
export function overlap(one, other) {
  return one[0] <= other[2] && other[0] <= one[2] && one[1] <= other[3] && other[1] <= one[3];
}
