// paper.js - the sheet that everybody draws on: its size, its colour, and which ink can be read on it.

/** The board's own units. Every screen shows the whole of it, at whatever size it has room for. */
export const WIDTH = 1600;
export const HEIGHT = 1000;

/** WCAG 2's least contrasts: 1.4.11 for what is drawn, 1.4.3 for text. */
const FOR_LINES = 3;
const FOR_TEXT = 4.5;
const WHITE = [255, 255, 255];
const BLACK = [0, 0, 0];
const readable = new Map(); // "colour on paper" -> colour

/** The colour in which something drawn in `colour` is painted on `paper`: the same, or the nearest that is seen. */
export function inkOn(paper, colour) {
  // Thin lines in the least contrast are seen on white, and only guessed at on black.
  return nearestReadable(paper, colour, isDark(paper) ? FOR_TEXT : FOR_LINES);
}

/** The colour in which a name is written, near the one in which its artist draws. */
export function textInkOn(paper, colour) {
  return nearestReadable(paper, colour, FOR_TEXT);
}

function nearestReadable(paper, colour, least) {
  const key = `${colour} on ${paper}, ${least}`;
  if (!readable.has(key)) readable.set(key, mixed(parse(paper), parse(colour), isDark(paper) ? WHITE : BLACK, least));
  return readable.get(key);
}

function mixed(paper, colour, towards, least) {
  for (let share = 0; share < 1; share += 0.05) {
    const mix = colour.map((value, i) => Math.round(value + (towards[i] - value) * share));
    if (contrast(paper, mix) >= least) return css(mix);
  }
  return css(towards);
}

function isDark(paper) {
  return luminance(parse(paper)) < 0.18;
}

/** The contrast of two colours as WCAG 2 defines it: 1 to 21. */
export function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour) {
  const [r, g, b] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** "#rrggbb" as three numbers; anything else is black, so that a strange colour is a visible one. */
export function parse(colour) {
  const digits = /^#([0-9a-f]{6})$/i.exec(colour)?.[1] ?? "000000";
  return [0, 2, 4].map((i) => parseInt(digits.slice(i, i + 2), 16));
}

function css(colour) {
  return `#${colour.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
