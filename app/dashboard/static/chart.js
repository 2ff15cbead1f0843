// Dispatches per minute over the last hour, as SVG.

import { make } from "./dom.js";
import { clock } from "./time.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 120;

function shape(tag, attributes, title) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (title) {
    const text = document.createElementNS(SVG, "title");
    text.textContent = title;
    element.append(text);
  }
  return element;
}

// `limit` is how many dispatches a minute the rate allows.
export function draw(holder, { counts, first, limit, label }) {
  const most = Math.max(...counts);
  const top = Math.max(niceTop(most), limit && limit <= 4 * Math.max(most, 1) ? niceTop(limit) : 0);
  const step = WIDTH / counts.length;
  const y = (count) => HEIGHT - (HEIGHT * count) / top;
  const picture = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  for (const part of [0, 0.5, 1]) picture.append(shape("line", { class: "rule", x1: 0, x2: WIDTH, y1: y(top * part), y2: y(top * part) }));
  counts.forEach((count, at) => {
    const minute = clock(first + at * 60000, false);
    const box = shape("g", { class: at === counts.length - 1 ? "minute current" : "minute" }, `${minute}: ${count}`);
    box.append(shape("rect", { class: "hit", x: at * step, y: 0, width: step, height: HEIGHT }));
    if (count) box.append(shape("rect", { class: "bar", x: at * step + 1, y: y(count), width: step - 2, height: HEIGHT - y(count) }));
    picture.append(box);
  });
  if (limit && limit <= top) picture.append(shape("line", { class: "limit", x1: 0, x2: WIDTH, y1: y(limit), y2: y(limit) }));
  const side = make("div", { class: "side", "aria-hidden": "true" }, make("span", {}, short(top)), make("span", {}, short(top / 2)), make("span", {}, "0"));
  const times = [0, 0.25, 0.5, 0.75].map((part) => make("span", {}, clock(first + part * counts.length * 60000, false)));
  const foot = make("div", { class: "foot", "aria-hidden": "true" }, ...times, make("span", {}, "now"));
  holder.replaceChildren(side, make("div", { class: "plot" }, picture), foot);
}

// The next round number whose half is whole too.
function niceTop(value) {
  if (value <= 2) return 2;
  const scale = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * scale).find((round) => round >= value && round % 2 === 0) ?? 2 * value;
}

const short = (value) => (value >= 10000 ? `${value / 1000}k` : value.toLocaleString());
