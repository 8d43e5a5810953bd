// Where things lie on the time axis, in percent: the same as timeline/drawing.py.
import { duration } from "./figures.js";

const TICKS = 6;
const THINNEST = 0.12;
const round = (value) => Math.round(value * 1000) / 1000;

export function frameOf(whole, view) {
  if (!view.zoom) return { start: 0, end: whole };
  return { start: view.zoom[0], end: Math.max(view.zoom[1], view.zoom[0] + 1) };
}

export const percent = (frame, ns) => (100 * (ns - frame.start)) / (frame.end - frame.start);

export function ticks(frame) {
  const step = niceStep((frame.end - frame.start) / TICKS);
  const first = Math.ceil(frame.start / step);
  const last = Math.min(Math.floor(frame.end / step), first + 20);
  const found = [];
  for (let number = first; number <= last; number++) {
    const at = round(percent(frame, number * step));
    found.push({ percent: at, label: at > 92 ? "" : number ? duration(number * step) : "0" });
  }
  return found;
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  for (const factor of [1, 2, 2.5, 5, 10]) if (factor * power >= least) return factor * power;
  return 10 * power;
}

// Percent that a letter of a label takes on an axis of 500 pixels: a narrow one.
const LETTER = 1.3;

export function barOf(row, frame, view) {
  const shift = view.skew ? row.w || 0 : 0;
  const left = percent(frame, row.a + shift);
  const right = Math.max(percent(frame, row.z + shift), left);
  const solid = parts(row.o, frame, shift);
  let side = "inside";
  let x = 0;
  const room = Math.min(Math.max(LETTER * (row.l || "").length, 22), 60);
  if (right <= 100 - room) [side, x] = ["after", Math.max(right, 0)];
  else if (left >= room + 2) [side, x] = ["before", Math.min(left, 100)];
  else x = Math.min(lightest(Math.max(left, 0), Math.min(right, 100), solid), Math.max(left, 100 - room, 0));
  return {
    whole: part(left, right),
    solid,
    path: view.path ? parts(row.c, frame, shift) : [],
    ticks: view.logs ? [] : logTicks(row, frame, shift),
    labelX: round(x),
    side,
    seen: right >= 0 && left <= 100,
  };
}

// The start of the longest stretch that is not solid, where text can be read.
function lightest(left, right, solid) {
  let [best, longest, cursor] = [left, 0, left];
  for (const { x, width } of [...solid, { x: right, width: 0 }]) {
    if (x - cursor > longest) [best, longest] = [cursor, x - cursor];
    cursor = Math.max(cursor, x + width);
  }
  return best;
}

function logTicks(row, frame, shift) {
  return (row.g || [])
    .map(([ns, level]) => [round(percent(frame, ns + shift)), level])
    .filter(([x]) => x >= 0 && x <= 100);
}

function parts(intervals, frame, shift) {
  return (intervals || [])
    .filter(([start, end]) => end + shift >= frame.start && start + shift <= frame.end)
    .map(([start, end]) => part(percent(frame, start + shift), percent(frame, end + shift)));
}

function part(left, right) {
  const from = Math.min(Math.max(left, -5), 105);
  const to = Math.min(Math.max(right, -5), 105);
  return { x: round(from), width: round(Math.max(to - from, THINNEST)) };
}
