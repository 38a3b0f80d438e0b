"use strict";
// Tells the value under the pointer. All it knows stands in the drawings; without it nothing is lost.
const told = document.getElementById("told");
const REACH = 24; // px

function scale(text) {
  const [ends, names] = [text.slice(0, text.indexOf("|")), text.slice(text.indexOf("|") + 1).split("|")];
  const [low, high, kind, ...unit] = ends.split(" ");
  return { low: Number(low), high: Number(high), log: kind === "log", unit: unit.join(" "), names };
}

function value(axis, share) {
  return axis.log
    ? axis.low * (axis.high / axis.low) ** share
    : axis.low + share * (axis.high - axis.low);
}

function words(axis, share) {
  const found = value(axis, share);
  if (axis.unit === "time") return found < 1 ? `${(1000 * found).toPrecision(3)} ms` : `${found.toPrecision(3)} s`;
  if (axis.unit === "into the load") return `${found.toFixed(1)} s into the load`;
  if (axis.unit === "users" || axis.unit === "requests/s offered") return `${axis.names[Math.floor(found)]} ${axis.unit}`;
  return axis.unit ? `${Number(found.toPrecision(3)).toLocaleString("en")} ${axis.unit}` : "";
}

function points(path) {
  path.points ??= Array.from(path.getAttribute("d").matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g), (m) => [Number(m[1]), Number(m[2])]);
  return path.points;
}

function nearest(box, x, y) {
  const place = box.getBoundingClientRect();
  let best = null;
  let least = REACH;
  for (const path of box.querySelectorAll("path[data-name]")) {
    for (const [left, top] of points(path)) {
      const away = Math.hypot(place.left + (left / 1000) * place.width - x, place.top + (top / 1000) * place.height - y);
      if (away < least) [least, best] = [away, { name: path.dataset.name, left, top }];
    }
  }
  return best;
}

function tell(event) {
  const box = event.target.closest("svg.plot")?.querySelector("svg.box");
  const found = box && nearest(box, event.clientX, event.clientY);
  told.hidden = !found;
  if (!found) return;
  const across = words(scale(box.dataset.x), found.left / 1000);
  const up = words(scale(box.dataset.y), 1 - found.top / 1000);
  told.textContent = [found.name, up, across].filter(Boolean).join("\n");
  const room = document.documentElement.clientWidth - told.offsetWidth - 8;
  told.style.left = `${Math.max(4, Math.min(event.clientX + 14, room))}px`;
  told.style.top = `${Math.max(4, event.clientY - told.offsetHeight - 10)}px`;
}

document.addEventListener("pointermove", tell);
document.documentElement.addEventListener("pointerleave", () => { told.hidden = true; });
