// The borders that can be dragged: of the names, and of the panel. Widths are the reader's, not the address's.
const LIMITS = { "--name-width": [180, 800], "--panel-width": [260, 900] };

function remembered(name) {
  try {
    return Number(localStorage.getItem(`tracestitch.${name}`));
  } catch {
    return 0;
  }
}

function remember(name, width) {
  try {
    localStorage.setItem(`tracestitch.${name}`, String(width));
  } catch {
    // It holds for this page.
  }
}

export function splitters(chart, panel) {
  for (const name of Object.keys(LIMITS)) {
    const width = remembered(name);
    if (width) set(name, width);
  }
  const handle = document.createElement("div");
  handle.className = "splitter";
  handle.title = "Drag to make the names wider";
  chart.append(handle);
  drag(handle, "--name-width", (event) => event.clientX - chart.getBoundingClientRect().left);
  panel.addEventListener("pointerdown", (event) => {
    const box = panel.getBoundingClientRect();
    if (event.clientX - box.left > 6) return;
    event.preventDefault();
    follow(event, panel, "--panel-width", (moved) => box.right - moved.clientX);
  });
}

function drag(handle, name, widthAt) {
  handle.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    follow(event, handle, name, widthAt);
  });
}

function follow(event, element, name, widthAt) {
  element.setPointerCapture(event.pointerId);
  const move = (moved) => set(name, widthAt(moved));
  const stop = (moved) => {
    remember(name, set(name, widthAt(moved)));
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", stop);
  };
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", stop);
}

function set(name, width) {
  const [least, most] = LIMITS[name];
  const kept = Math.round(Math.min(Math.max(width, least), most));
  document.documentElement.style.setProperty(name, `${kept}px`);
  return kept;
}
