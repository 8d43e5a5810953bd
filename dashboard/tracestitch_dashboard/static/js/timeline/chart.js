// Draws the rows that are in sight, and the axis. Ten thousand rows are as quick as a hundred.
import { frameOf, ticks } from "./drawing.js";
import { rowElement, svg } from "./rows.js";
import { visible } from "./view.js";

const ROW = 22;
const ALL_BELOW = 400;
const MARGIN = 20;

export class Chart {
  constructor(data, elements) {
    this.data = data;
    this.elements = elements;
    this.before = document.createElement("div");
    this.after = document.createElement("div");
    this.before.setAttribute("role", "presentation");
    this.after.setAttribute("role", "presentation");
    this.shown = [];
    this.drawnFrom = -1;
    this.drawnTo = -1;
  }

  // Everything anew: the view has changed.
  draw(view) {
    this.view = view;
    this.frame = frameOf(this.data.duration, view);
    this.shown = visible(this.data.rows, view, this.data.services);
    this.elements.chart.classList.toggle("no-path", !view.path);
    this.drawAxis();
    this.drawnFrom = -1;
    this.scrolled();
  }

  drawAxis() {
    const marks = ticks(this.frame);
    const texts = marks.filter((tick) => tick.label).map((tick) => {
      const early = tick.percent <= 3;
      const text = svg("text", { x: `${tick.percent}%`, y: 16, "text-anchor": early ? "start" : "middle" });
      if (early) text.setAttribute("dx", 4);
      text.textContent = tick.label;
      return text;
    });
    const lines = marks.map(({ percent }) => svg("line", { x1: `${percent}%`, x2: `${percent}%`, y1: 0, y2: "100%" }));
    this.elements.axis.replaceChildren(...texts);
    this.elements.gridlines.replaceChildren(...lines);
  }

  // Draws what has come into sight.
  scrolled() {
    const [from, to] = this.inSight();
    if (from === this.drawnFrom && to === this.drawnTo) return;
    this.drawnFrom = from;
    this.drawnTo = to;
    this.before.style.height = `${from * ROW}px`;
    this.after.style.height = `${(this.shown.length - to) * ROW}px`;
    const drawn = this.shown.slice(from, to).map((shown) =>
      rowElement(this.data, this.data.rows[shown.place], shown, this.frame, this.view));
    this.elements.rows.replaceChildren(this.before, ...drawn, this.after);
    const selected = document.getElementById(`row-${this.view.span}`);
    if (selected) this.elements.chart.setAttribute("aria-activedescendant", selected.id);
    else this.elements.chart.removeAttribute("aria-activedescendant");
  }

  inSight() {
    const number = this.shown.length;
    if (number <= ALL_BELOW) return [0, number];
    const top = -this.elements.rows.getBoundingClientRect().top;
    const step = (value) => Math.floor(value / MARGIN) * MARGIN;
    const from = Math.min(Math.max(step(top / ROW) - MARGIN, 0), Math.max(number - MARGIN, 0));
    const to = Math.min(step((top + window.innerHeight) / ROW) + 2 * MARGIN, number);
    return [from, Math.max(to, Math.min(from + 2 * MARGIN, number))];
  }

  placeOf(id) {
    return this.shown.findIndex((shown) => this.data.rows[shown.place].id === id);
  }

  // Scrolls as little as needed to have the row between the axis and the lower edge.
  bringIntoSight(id) {
    const place = this.placeOf(id);
    if (place < 0) return;
    const top = this.elements.rows.getBoundingClientRect().top + place * ROW;
    const upper = 44 + 24 + ROW;
    const lower = window.innerHeight - 2 * ROW;
    if (top < upper) window.scrollBy(0, top - upper);
    else if (top > lower) window.scrollBy(0, top - lower);
  }
}
