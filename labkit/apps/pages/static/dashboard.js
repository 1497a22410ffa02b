// dashboard.js - shows the figures that the server pushes: numbers, lines, and how fresh they are.

import { Chart, median } from "./chart.js";
import { Live } from "./live.js";
import { showJoinBeside } from "./projector.js";
import { showStatus } from "./status.js";

const WINDOW_MS = 60_000;
const STATS_EVERY_MS = 2_000;

const FIGURES = [
  { field: "cpu", title: "CPU", unit: "%", max: 100, who: 1, digits: 1 },
  { field: "memory", title: "Memory", unit: "%", max: 100, who: 4, digits: 1 },
  { field: "requests_per_second", title: "Requests", unit: "/ s", leastMax: 10, who: 3, digits: 0 },
  { field: "active_users", title: "Active users", unit: "", leastMax: 10, who: 2, digits: 0 },
];
const MOODS = { "😊": "At ease", "🎯": "On target", "🚀": "Taking off", "💪": "Working hard" };

const [mood, moodName, summary, pause, tiles] = ["mood", "mood-name", "summary", "pause", "tiles"].map((id) =>
  document.getElementById(id),
);

const live = new Live("ws/dashboard");
showStatus(live);

// ----- the tiles

const shown = FIGURES.map((figure) => {
  const tile = document.querySelector("#tile").content.firstElementChild.cloneNode(true);
  const part = (name) => tile.querySelector(`.${name}`);
  tile.dataset.who = figure.who;
  tile.dataset.field = figure.field;
  tile.querySelector("h2").textContent = figure.title;
  part("unit").textContent = figure.unit;
  tiles.append(tile);
  const { title: label, unit, max, leastMax } = figure;
  const chart = new Chart(part("chart-box"), { label, unit, max, leastMax, windowMs: WINDOW_MS });
  return { ...figure, chart, number: part("number"), range: part("range") };
});

// ----- receive, show

let paused = false;
let newest = null; // the figures shown, or to be shown when the pause is over
let heldBack = 0; // figures that came during the pause
let received = 0;
let arrivedAt = null; // by this browser's clock, for how fresh they are
let stats = null; // the server's own count

live.addEventListener("message", ({ data }) => {
  const figures = parse(data);
  if (figures === null) return; // a message that this page does not know
  newest = figures;
  received += 1;
  arrivedAt = Date.now();
  heldBack += paused;
  for (const { chart, field } of shown) chart.add(Date.parse(figures.timestamp), figures[field]);
  if (!paused) draw();
  summarise();
});

/** Return the figures in a message, or null: what is unknown is ignored. */
function parse(data) {
  try {
    const value = JSON.parse(data);
    const whole = FIGURES.every(({ field }) => Number.isFinite(value[field])) && Date.parse(value.timestamp);
    return whole ? value : null;
  } catch {
    return null;
  }
}

function draw() {
  if (newest === null || document.hidden) return;
  mood.textContent = newest.emoji_mood;
  moodName.textContent = MOODS[newest.emoji_mood] ?? "";
  for (const { chart, field, digits, number, range } of shown) {
    number.textContent = newest[field].toFixed(digits);
    const values = chart.points.map((point) => point.value);
    range.textContent = `low ${Math.min(...values).toFixed(0)} · high ${Math.max(...values).toFixed(0)}`;
    chart.draw();
  }
  document.title = `${newest.emoji_mood} CPU ${newest.cpu.toFixed(0)} % · labkit`;
}

// ----- how fresh, how often, how many watch

function tickMs() {
  const moments = shown[0].chart.points.slice(-11).map((point) => point.at);
  return median(moments.slice(1).map((at, index) => at - moments[index]));
}

function summarise() {
  const parts = [];
  const every = tickMs();
  if (paused) parts.push(`Paused: ${heldBack} new`);
  if (every) parts.push(`every ${(every / 1_000).toFixed(every < 950 ? 2 : 1)} s`);
  const quietMs = arrivedAt === null ? 0 : Date.now() - arrivedAt;
  if (arrivedAt !== null && quietMs > Math.max(3 * every || 0, 3_000)) {
    parts.push(`nothing new for ${Math.round(quietMs / 1_000)} s`);
  }
  if (received) parts.push(`${received} received`);
  if (stats) parts.push(`${stats.viewers} ${stats.viewers === 1 ? "viewer" : "viewers"}, one producer`);
  summary.textContent = parts.join(" · ");
}

async function askStats() {
  if (document.hidden || live.state !== "open") return;
  try {
    const response = await fetch("stats", { cache: "no-store" });
    if (response.ok) stats = await response.json();
  } catch {
    stats = null; // the server is away; the chip says so
  }
  summarise();
}

setInterval(askStats, STATS_EVERY_MS);
setInterval(summarise, 1_000);
live.addEventListener("open", askStats);
live.addEventListener("state", () => {
  tiles.classList.toggle("stale", live.state !== "open");
  summarise();
});
document.addEventListener("visibilitychange", () => {
  if (!paused) draw();
});

// ----- pause: the picture stands still, the line goes on

pause.addEventListener("click", () => {
  paused = !paused;
  heldBack = 0;
  pause.setAttribute("aria-pressed", paused);
  pause.textContent = paused ? "Go on" : "Pause";
  if (!paused) draw();
  summarise();
});

live.connect();

showJoinBeside();
