// The strip above the rows: drag to zoom in, drag the zoomed part to move it.

const LEAST_PIXELS = 4;

export function minimap(element, whole, zoomTo) {
  const brush = element.querySelector("#brush");
  let start = null;
  const at = (event) => {
    const box = element.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  };
  element.addEventListener("pointerdown", (event) => {
    start = at(event);
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const now = at(event);
    show(Math.min(start, now), Math.max(start, now));
  });
  element.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [from, to] = [Math.min(start, at(event)), Math.max(start, at(event))];
    start = null;
    const wide = (to - from) * element.getBoundingClientRect().width >= LEAST_PIXELS;
    zoomTo(wide ? [from * whole, to * whole] : null);
  });
  element.addEventListener("dblclick", () => zoomTo(null));

  function show(from, to) {
    brush.setAttribute("x", 100 * from);
    brush.setAttribute("width", Math.max(100 * (to - from), 0.2));
  }
  return {
    show: (zoom) => (zoom ? show(zoom[0] / whole, Math.min(zoom[1] / whole, 1)) : show(0, 1)),
  };
}

