// A short word to the reader that goes away by itself.
export function toast(text) {
  document.querySelector(".toast")?.remove();
  const element = document.createElement("div");
  element.className = "toast";
  element.setAttribute("role", "status");
  element.textContent = text;
  document.body.append(element);
  setTimeout(() => element.remove(), 2500);
}
