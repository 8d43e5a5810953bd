// The timeline's script: the view lives in the address, everything is drawn from it and from rows.json.
import { toast } from "../toast.js";
import { Chart } from "./chart.js";
import { count } from "./figures.js";
import { keyboard } from "./keys.js";
import { minimap } from "./minimap.js";
import { Panel } from "./panel.js";
import { splitters } from "./splitter.js";
import { fromAddress, toAddress } from "./view.js";

const byId = (id) => document.getElementById(id);

class Timeline {
  constructor(data, elements) {
    this.data = data;
    this.elements = elements;
    this.chart = new Chart(data, elements);
    this.panel = new Panel(elements.panel, elements.timeline);
    this.minimap = minimap(elements.minimap, data.duration, (zoom) => this.change({ zoom }));
    this.view = fromAddress(location.search);
    this.draw();
  }

  // `quiet` replaces the address instead of adding a step for the Back button.
  change(changes, quiet = false) {
    this.view = { ...this.view, ...changes };
    const address = toAddress(this.view);
    if (address !== location.pathname + location.search) {
      if (quiet) history.replaceState(null, "", address);
      else history.pushState(null, "", address);
    }
    this.draw();
  }

  draw() {
    this.chart.draw(this.view);
    this.minimap.show(this.view.zoom);
    const known = this.data.rows.some((row) => row.id === this.view.span);
    this.panel.show(known ? this.view : { ...this.view, span: "" }, location.search);
    this.elements.fit.hidden = !this.view.zoom;
    const all = this.data.rows.length;
    const seen = this.chart.shown.length;
    this.elements.count.textContent = this.view.filter ? `${count(seen)} of ${count(all)} rows` : "";
    for (const link of document.querySelectorAll("[data-switch]")) {
      const name = link.dataset.switch;
      link.classList.toggle("on", this.view[name]);
      link.setAttribute("aria-checked", this.view[name]);
      link.href = toAddress({ ...this.view, [name]: !this.view[name] });
      if (name === "skew") link.textContent = this.view.skew ? "Skew: corrected" : "Skew: raw";
    }
  }

  selected() {
    return this.chart.placeOf(this.view.span);
  }

  row(place) {
    return this.data.rows[this.chart.shown[place].place];
  }

  // Moving along keeps the tab where the new row has it, and is no step for the Back button.
  select(place) {
    if (place < 0 || place >= this.chart.shown.length) return;
    const { id } = this.row(place);
    this.change({ span: id }, Boolean(this.view.span));
    this.chart.bringIntoSight(id);
  }

  toggleRow(id, open) {
    const place = this.chart.placeOf(id);
    if (place < 0 || !this.row(place).h) return;
    if (open !== undefined && this.chart.shown[place].open === open) return;
    const toggled = new Set(this.view.toggled);
    if (!toggled.delete(id)) toggled.add(id);
    this.change({ toggled }, true);
  }

  // The next row for which it holds, opening what hides it.
  next(holds) {
    const { rows } = this.data;
    const from = rows.findIndex((row) => row.id === this.view.span);
    for (let step = 1; step <= rows.length; step++) {
      const place = (from + step + rows.length) % rows.length;
      if (!holds(rows[place]) || rows[place].k === "missing") continue;
      this.reveal(place);
      if (this.chart.placeOf(rows[place].id) < 0) continue;
      this.select(this.chart.placeOf(rows[place].id));
      return;
    }
    toast("There is none in this trace.");
  }

  reveal(place) {
    const { rows } = this.data;
    const toggled = new Set(this.view.toggled);
    for (let above = rows[place].p; above >= 0; above = rows[above].p) {
      const row = rows[above];
      const open = Boolean(row.d) === toggled.has(row.id);
      if (!open && !(row.k === "repeat" && !this.view.fold) && !toggled.delete(row.id)) toggled.add(row.id);
    }
    this.change({ toggled }, true);
  }

  sibling(direction) {
    const place = this.selected();
    if (place < 0) return;
    const { level } = this.chart.shown[place];
    for (let at = place + direction; at >= 0 && at < this.chart.shown.length; at += direction) {
      if (this.chart.shown[at].level < level) return;
      if (this.chart.shown[at].level === level) {
        this.select(at);
        return;
      }
    }
  }

  zoom(factor) {
    const { start, end } = this.chart.frame;
    const place = this.selected();
    const row = place >= 0 ? this.row(place) : null;
    const middle = row ? Math.min(Math.max((row.a + row.z) / 2, start), end) : (start + end) / 2;
    const half = ((end - start) * factor) / 2;
    const from = Math.max(middle - half, 0);
    const to = Math.min(middle + half, this.data.duration);
    const all = from <= 0 && to >= this.data.duration;
    if (to - from >= 100) this.change({ zoom: all ? null : [from, to] }, true);
  }
}

function actionsOf(timeline) {
  const at = () => timeline.selected();
  return {
    next: () => timeline.select(at() + 1),
    previous: () => timeline.select(Math.max(at() - 1, 0)),
    open: () => timeline.toggleRow(timeline.view.span, true),
    close() {
      const place = at();
      if (place < 0) return;
      if (timeline.row(place).h && timeline.chart.shown[place].open) timeline.toggleRow(timeline.view.span, false);
      else {
        const level = timeline.chart.shown[place].level;
        for (let up = place - 1; up >= 0; up--) {
          if (timeline.chart.shown[up].level < level) {
            timeline.select(up);
            return;
          }
        }
      }
    },
    details() {
      if (at() < 0) timeline.select(0);
      else byId("panel").querySelector("a, button")?.focus();
    },
    previousSibling: () => timeline.sibling(-1),
    nextSibling: () => timeline.sibling(1),
    nextError: () => timeline.next((row) => row.e && row.k === "span"),
    nextFinding: () => timeline.next((row) => row.f),
    toggle: (name) => timeline.change({ [name]: !timeline.view[name] }),
    zoomIn: () => timeline.zoom(0.5),
    zoomOut: () => timeline.zoom(2),
    fit: () => timeline.change({ zoom: null }),
    copyLink: () => document.querySelector("[data-copy-link]").click(),
    help: () => byId("help").showModal(),
    escape() {
      if (timeline.view.zoom) timeline.change({ zoom: null });
      else if (timeline.view.span) timeline.change({ span: "", tab: "summary" });
    },
  };
}

function mouse(timeline) {
  const plain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const follow = (event, link) => {
    if (!plain(event)) return false;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    timeline.change(fromAddress(location.search), true);
    return true;
  };
  timeline.elements.rows.addEventListener("click", (event) => {
    const element = event.target.closest(".row");
    if (!element || !plain(event)) return;
    event.preventDefault();
    const id = element.id.slice("row-".length);
    if (event.target.closest(".caret[href]")) timeline.toggleRow(id);
    else timeline.change({ span: id });
  });
  timeline.elements.rows.addEventListener("dblclick", (event) => {
    const element = event.target.closest(".row");
    if (element) timeline.toggleRow(element.id.slice("row-".length));
  });
  timeline.elements.panel.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link && new URL(link.href).pathname === location.pathname) follow(event, link);
  });
  for (const link of document.querySelectorAll("[data-switch], #fit")) {
    link.addEventListener("click", (event) => follow(event, link));
  }
}

function filter(timeline) {
  const field = byId("filter");
  field.form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", () => timeline.change({ filter: field.value.trim() }, true));
  return () => {
    field.value = timeline.view.filter;
  };
}

async function start() {
  const elements = Object.fromEntries(
    ["timeline", "chart", "axis", "gridlines", "rows", "panel", "minimap", "fit", "count"].map((id) => [id, byId(id)]));
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  const answer = await fetch(elements.timeline.dataset.rows, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`rows.json answered ${answer.status}`);
  const timeline = new Timeline(await answer.json(), elements);
  byId("left-out")?.remove();
  const refill = filter(timeline);
  mouse(timeline);
  keyboard(actionsOf(timeline));
  splitters(elements.chart, elements.panel);
  window.addEventListener("popstate", () => {
    timeline.change(fromAddress(location.search), true);
    refill();
  });
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      timeline.chart.scrolled();
    });
  };
  window.addEventListener("scroll", redraw, { passive: true });
  window.addEventListener("resize", redraw, { passive: true });
  elements.timeline.dataset.ready = "true";
}

start().catch((error) => toast(`The timeline cannot be drawn anew (${error.message}); the page is as the server drew it.`));
