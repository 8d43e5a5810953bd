// Durations as timeline/figures.py writes them: three significant figures and a unit.
const UNITS = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9], ["min", 60e9], ["h", 3600e9], ["d", 86400e9]];

export function duration(ns) {
  if (ns === 0) return "0 ms";
  if (ns < 0) return `−${duration(-ns)}`;
  for (let index = 0; index < UNITS.length - 1; index++) {
    const [unit, size] = UNITS[index];
    const text = significant(ns / size);
    if (Number(text) * size < UNITS[index + 1][1]) return `${text} ${unit}`;
  }
  return `${count(ns / 86400e9)} d`;
}

export function significant(value) {
  if (value >= 100) return value.toFixed(0);
  if (value === 0) return "0";
  if (value < 0.095) return String(Number(value.toPrecision(3)));
  return String(Number(value.toFixed(value >= 9.995 ? 1 : 2)));
}

export function count(value) {
  return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}
