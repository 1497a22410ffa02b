// markers.js - a shape beside every colour, so that artists are told apart without seeing colours.

const SVG = "http://www.w3.org/2000/svg";

// In a square of 20 by 20.
const SHAPES = [
  ["disc", "M10 2a8 8 0 1 0 0 16a8 8 0 1 0 0-16z"],
  ["square", "M3 3h14v14h-14z"],
  ["triangle", "M10 2L18.5 17.5h-17z"],
  ["diamond", "M10 1L19 10L10 19L1 10z"],
  ["star", "M10 1L12.6 7.2L19.3 7.8L14.2 12.2L15.8 18.8L10 15.2L4.2 18.8L5.8 12.2L.7 7.8L7.4 7.2z"],
  ["cross", "M7 2h6v5h5v6h-5v5h-6v-5h-5v-6h5z"],
  ["hexagon", "M5.5 2.5h9l4.5 7.5l-4.5 7.5h-9l-4.5-7.5z"],
  ["wedge", "M10 18L1.5 2.5h17z"],
  ["ring", "M10 2a8 8 0 1 0 0 16a8 8 0 1 0 0-16zM10 6.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 1 1 0-7z"],
  ["bow", "M2 3L18 17V3L2 17z"],
  ["heart", "M10 18L2 9.5a4.6 4.6 0 0 1 8-5a4.6 4.6 0 0 1 8 5z"],
];

// With this divisor, the server's first eleven colours have eleven different shapes.
const SPREAD = 12_257;

/** The number of the shape that goes with a colour: the same on every screen. Later colours share shapes. */
export function markerOf(color) {
  return (parseInt(color.slice(1), 16) % SPREAD) % SHAPES.length;
}

/** The name of a shape, for those who hear it. */
export function markerName(number) {
  return SHAPES[number][0];
}

/** The shape with this number, in a colour. */
export function marker(number, color) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "marker");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[number][1]);
  path.setAttribute("fill", color);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}
