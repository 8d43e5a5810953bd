// One row as an element: the same as the server draws in timeline_rows.html. Text goes in as text, never as HTML.
import { barOf } from "./drawing.js";
import { toAddress } from "./view.js";

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  server: "request handled", client: "outgoing call", database: "database", cache: "cache", queue: "message or task",
  template: "template", function: "function", log: "log record", error: "error", finding: "finding",
  gap: "not instrumented", missing: "missing parent", event: "event",
};

export function rowElement(data, row, shown, frame, view) {
  const service = data.services[row.s] || ["", 0];
  const selected = row.id === view.span;
  const element = html("div", `row ${row.k} service-${service[1]}${selected ? " is-selected" : ""}`);
  element.id = `row-${row.id}`;
  element.setAttribute("role", "row");
  element.setAttribute("aria-level", shown.level + 1);
  if (row.h) element.setAttribute("aria-expanded", shown.open);
  if (selected) element.setAttribute("aria-selected", "true");
  const time = html("div", "time");
  time.setAttribute("role", "gridcell");
  time.append(barElement(row, frame, view));
  element.append(nameElement(data, row, shown, view, service[0]), time);
  return element;
}

function nameElement(data, row, shown, view, service) {
  const name = html("div", `name level-${Math.min(shown.level, 12)}`);
  name.setAttribute("role", "gridcell");
  name.append(caret(row, shown, view));
  if (row.k === "log" || row.k === "exception") name.append(html("span", `badge ${row.v}`, row.b));
  else {
    name.append(icon(row.i, ICONS[row.i] || ""));
    if (row.b) name.append(html("span", "badge", row.b));
  }
  const label = html("a", "label cut", row.n);
  label.tabIndex = -1;
  label.href = toAddress({ ...view, span: row.id });
  label.title = row.n;
  name.append(label);
  if (row.e) name.append(icon("error", "error", "bad"));
  if (row.f) name.append(icon("finding", `finding: ${data.findings[row.f[0]][0]}`, "flag"));
  if (row.w) name.append(icon("clock", "its clock seems to be off", "clock"));
  if (row.t) name.append(odd("!", row.t.join("; ")));
  if (row.k === "span" || row.k === "repeat") name.append(html("span", "of cut", service));
  return name;
}

function caret(row, shown, view) {
  if (!row.h) return html("span", "caret");
  const link = html("a", "caret", shown.open ? "▼" : "▶");
  const toggled = new Set(view.toggled);
  if (!toggled.delete(row.id)) toggled.add(row.id);
  link.href = toAddress({ ...view, toggled });
  link.tabIndex = -1;
  link.setAttribute("aria-label", shown.open ? "close" : "open");
  return link;
}

function barElement(row, frame, view) {
  const bar = barOf(row, frame, view);
  const element = svg("svg", { class: `bar${row.e ? " is-error" : ""}`, "aria-hidden": "true" });
  if (!bar.seen) return element;
  const at = (piece, attributes) => svg("rect", { x: `${piece.x}%`, width: `${piece.width}%`, ...attributes });
  if (row.k === "log" || row.k === "exception") {
    const place = svg("svg", { x: `${bar.whole.x}%`, overflow: "visible" });
    place.append(svg("path", { class: `mark ${row.v}`, d: "M0 6l5 5-5 5-5-5z" }));
    element.append(place);
  } else if (row.k === "gap" || row.k === "missing") {
    element.append(at(bar.whole, { class: row.k, y: 6, height: 10 }));
  } else {
    element.append(at(bar.whole, { class: "whole", y: 4, height: 12, rx: 1 }));
    for (const piece of bar.solid) element.append(at(piece, { class: "solid", y: 4, height: 12 }));
    for (const piece of bar.path) element.append(at(piece, { class: "path", y: 18, height: 2 }));
    for (const [x, level] of bar.ticks) element.append(svg("rect", { class: `tick ${level}`, x: `${x}%`, width: 2, y: 1, height: 5 }));
    const text = svg("text", { class: bar.side, x: `${bar.labelX}%`, dx: bar.side === "before" ? -6 : 6, y: 14 });
    text.textContent = row.l || "";
    element.append(text);
  }
  return element;
}

export function html(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

export function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function icon(name, text, more = "") {
  const element = svg("svg", { class: `icon ${more}`.trim(), role: "img", "aria-label": text });
  element.append(svg("use", { href: `#i-${name}` }));
  return element;
}

function odd(text, title) {
  const element = html("span", "odd", text);
  element.title = title;
  return element;
}
