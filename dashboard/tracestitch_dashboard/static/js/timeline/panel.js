// The details at the right: made by the server, put in place by htmx, which escapes nothing and is given nothing raw.
import { localTimes } from "../page.js";

export class Panel {
  constructor(element, timeline) {
    this.element = element;
    this.timeline = timeline;
    this.asked = this.key(location.search);
    this.loaded = element.hidden ? "" : this.asked;
  }

  key(search) {
    const query = new URLSearchParams(search);
    return `${query.get("span") || ""} ${query.get("tab") || "summary"}`;
  }

  show(view, search) {
    this.element.hidden = !view.span;
    this.timeline.classList.toggle("with-panel", Boolean(view.span));
    if (!view.span) {
      this.element.replaceChildren();
      this.loaded = "";
      return;
    }
    const key = this.key(search);
    if (key === this.loaded) return;
    this.loaded = key;
    window.htmx
      .ajax("GET", this.timeline.dataset.panel + search, { target: this.element, swap: "innerHTML" })
      .then(() => localTimes(this.element));
  }
}
