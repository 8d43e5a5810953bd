// What every page does: the theme switch, local times, copy buttons, the search key, the arrival dot.
import { toast } from "./toast.js";

const THEMES = ["auto", "light", "dark"];
const SAID = { auto: "as the system", light: "light", dark: "dark" };

function themeSwitch() {
  const button = document.getElementById("theme");
  if (!button) return;
  const say = (theme) => {
    button.setAttribute("aria-label", `Theme: ${SAID[theme]}`);
    button.title = `Theme: ${SAID[theme]}`;
  };
  say(document.documentElement.dataset.theme || "auto");
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "auto";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("tracestitch.theme", next);
    } catch {
      // It holds for this page.
    }
    say(next);
  });
}

const two = (number) => String(number).padStart(2, "0");

export function localTimes(root) {
  for (const element of root.querySelectorAll("time[data-as]")) {
    const when = new Date(element.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    const date = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
    const fraction = (/\.(\d+)Z$/.exec(element.dateTime) || ["", "000"])[1];
    const clock = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}.${fraction}`;
    const utc = element.title;
    if (element.dataset.as === "clock") element.textContent = clock;
    if (element.dataset.as === "date") {
      const today = new Date().toDateString() === when.toDateString();
      element.textContent = `${today ? "today" : date} ${clock}`;
    }
    element.title = `${date} ${clock} local · ${utc}`;
    element.dataset.as = `${element.dataset.as}-done`;
  }
}

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser does not allow copying here; select the text instead.");
  }
}

function clicks() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-link]");
    if (!button) return;
    if ("copyLink" in button.dataset) copy(location.href, "Link copied.");
    else copy(button.dataset.copy, "Copied.");
  });
}

function keys() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const field = document.getElementById("filter") || document.getElementById("search");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}

export function isTyping(element) {
  return element instanceof HTMLElement && (element.matches("input, select, textarea") || element.isContentEditable);
}

function forms() {
  for (const form of document.querySelectorAll("form[data-submits]")) {
    form.addEventListener("change", (event) => {
      if (event.target.matches("select")) form.requestSubmit();
    });
  }
  for (const form of document.querySelectorAll("form[data-times]")) {
    const zone = form.querySelector("[data-zone]");
    if (zone) zone.textContent = "Times are yours, local.";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const query = new URLSearchParams();
      for (const [key, value] of new FormData(form)) {
        if (!value) continue;
        const isTime = key === "from" || key === "to";
        query.set(key, isTime ? new Date(value).toISOString() : value);
      }
      location.assign(`${form.getAttribute("action")}?${query}`);
    });
  }
}

function arrival() {
  const waits = () => document.querySelector("[data-waiting]");
  setInterval(() => {
    const dot = document.getElementById("arrival");
    if (dot && !document.hidden && window.htmx) window.htmx.trigger(dot, "refresh");
  }, waits() ? 1500 : 5000);
  document.addEventListener("htmx:afterSwap", () => {
    const dot = document.getElementById("arrival");
    if (dot && dot.dataset.state !== "never" && waits()) location.reload();
  });
}

themeSwitch();
localTimes(document);
clicks();
keys();
forms();
arrival();
