// The keyboard: one table of what each key does.
import { isTyping } from "../page.js";

export function keyboard(actions) {
  const table = {
    j: actions.next, ArrowDown: actions.next, k: actions.previous, ArrowUp: actions.previous,
    ArrowLeft: actions.close, ArrowRight: actions.open, Enter: actions.details,
    "[": actions.previousSibling, "]": actions.nextSibling,
    e: actions.nextError, f: actions.nextFinding,
    l: () => actions.toggle("logs"), c: () => actions.toggle("path"), g: () => actions.toggle("fold"),
    "+": actions.zoomIn, "=": actions.zoomIn, "-": actions.zoomOut, 0: actions.fit,
    y: actions.copyLink, "?": actions.help, Escape: actions.escape,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const action = table[event.key];
    const isOnLink = event.key === "Enter" && event.target.closest("a, button, summary");
    if (!action || isOnLink) return;
    event.preventDefault();
    action();
  });
}
