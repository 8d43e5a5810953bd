// How the timeline is looked at, and its form in the address: the same as timeline/view.py.
const SWITCHES = ["logs", "path", "fold", "gaps"];
const NS_PER_MS = 1e6;

export function fromAddress(search) {
  const query = new URLSearchParams(search);
  const zoom = (query.get("zoom") || "").match(/^([\d.e+]+)-([\d.e+]+)$/);
  const view = { skew: query.get("skew") === "1" };
  for (const name of SWITCHES) view[name] = query.get(name) !== "0";
  view.zoom = zoom ? [Number(zoom[1]) * NS_PER_MS, Number(zoom[2]) * NS_PER_MS] : null;
  view.toggled = new Set((query.get("toggled") || "").split(",").filter(Boolean));
  view.span = query.get("span") || "";
  view.tab = query.get("tab") || "summary";
  view.filter = (query.get("filter") || "").trim();
  return view;
}

export function toAddress(view) {
  const query = new URLSearchParams();
  for (const name of SWITCHES) if (!view[name]) query.set(name, "0");
  if (view.skew) query.set("skew", "1");
  if (view.zoom) query.set("zoom", view.zoom.map((ns) => Number((ns / NS_PER_MS).toPrecision(7))).join("-"));
  if (view.toggled.size) query.set("toggled", [...view.toggled].sort().join(","));
  if (view.span) query.set("span", view.span);
  if (view.tab !== "summary") query.set("tab", view.tab);
  if (view.filter) query.set("filter", view.filter);
  const text = query.toString();
  return location.pathname + (text ? `?${text}` : "");
}

// The rows that are seen, as [{place, level, open}].
export function visible(rows, view, services) {
  const matching = matches(rows, view.filter, services);
  const hides = new Uint8Array(rows.length);
  const level = new Int32Array(rows.length);
  const shown = [];
  for (let place = 0; place < rows.length; place++) {
    const row = rows[place];
    const under = row.p >= 0;
    level[place] = under ? level[row.p] + 1 : 0;
    if ((under && hides[row.p]) || isOff(row, view) || (matching && !matching[place])) {
      hides[place] = 1;
      continue;
    }
    if (row.k === "repeat" && !view.fold) {
      level[place] -= 1;
      continue;
    }
    const open = Boolean(row.d) === view.toggled.has(row.id) || (matching !== null && row.k !== "repeat");
    hides[place] = row.h && !open ? 1 : 0;
    shown.push({ place, level: level[place], open });
  }
  return shown;
}

function isOff(row, view) {
  if (row.k === "log" || row.k === "exception") return !view.logs;
  return row.k === "gap" && !view.gaps;
}

function matches(rows, words, services) {
  if (!words) return null;
  const wanted = words.toLowerCase();
  const has = (text) => (text || "").toLowerCase().includes(wanted);
  const matching = rows.map((row) => has(row.n) || has(services[row.s]?.[0]) || has(row.b));
  for (let place = rows.length - 1; place >= 0; place--) {
    if (matching[place] && rows[place].p >= 0) matching[rows[place].p] = true;
  }
  return matching;
}
