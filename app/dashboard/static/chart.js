// The minutes of the last hour, as SVG.

import { make } from "./dom.js";
import { clock } from "./time.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 120;
const LOW = 32;

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

// By the minute: `counts` of dispatches, how many `failed`, for how many seconds it was `held` or `paused`, and the `rates`
// that were in force, null for no limit.
export function draw(holder, { counts, failed, held, paused, rates, first, label }) {
  const most = Math.max(...counts, ...failed);
  const limit = Math.max(...rates);
  const top = Math.max(niceTop(most), limit <= 4 * Math.max(most, 1) ? niceTop(limit) : 0);
  const step = WIDTH / counts.length;
  const y = (count) => HEIGHT - (HEIGHT * count) / top;
  const picture = frame(HEIGHT, label);
  const bar = (name, x, width, count) => shape("rect", { class: name, x, y: y(count), width, height: HEIGHT - y(count) });
  const stop = (name, x, seconds) => shape("rect", { class: name, x, y: 0, width: (step * seconds) / 60, height: HEIGHT });
  const boxes = counts.map((count, at) => {
    const told = [`${clock(first + at * 60000, false)}: ${count.toLocaleString()}`];
    if (failed[at]) told.push(`${failed[at].toLocaleString()} failed`);
    if (held[at]) told.push(`on hold for ${held[at]} s`);
    if (paused[at]) told.push(`paused for ${paused[at]} s`);
    const box = shape("g", { class: at === counts.length - 1 ? "minute current" : "minute" }, told.join(", "));
    box.append(shape("rect", { class: "hit", x: at * step, y: 0, width: step, height: HEIGHT }));
    if (held[at]) box.append(stop("held", at * step, held[at]));
    if (paused[at]) box.append(stop("paused", (at + held[at] / 60) * step, paused[at]));
    if (count) box.append(bar("bar", at * step + 1, step - 2, count));
    if (failed[at]) box.append(bar("failures", at * step + 1, (step - 2) / 2, failed[at]));
    return box;
  });
  for (const part of [0, 0.5, 1]) picture.append(shape("line", { class: "rule", x1: 0, x2: WIDTH, y1: y(top * part), y2: y(top * part) }));
  picture.append(...boxes);
  picture.append(shape("path", { class: "limit", d: stairs(rates.map((rate) => (rate !== null && rate <= top ? y(rate) : null)), step) }));
  const side = make("div", { class: "side", "aria-hidden": "true" }, make("span", {}, short(top)), make("span", {}, short(top / 2)), make("span", {}, "0"));
  const times = [0, 0.25, 0.5, 0.75].map((part) => make("span", {}, clock(first + part * counts.length * 60000, false)));
  const foot = make("div", { class: "foot", "aria-hidden": "true" }, ...times, make("span", {}, "now"));
  holder.replaceChildren(side, make("div", { class: "plot" }, picture), foot);
}

// Small lines over the same minutes, each with `values`, null for none; `said` tells those of a minute.
export function drawLines(holder, { lines, first, said, label }) {
  const most = Math.max(...lines.flatMap(({ values }) => values));
  const count = lines[0].values.length;
  const step = WIDTH / count;
  const y = (value) => LOW - 2 - ((LOW - 4) * value) / (most || 1);
  const picture = frame(LOW, label);
  for (const { name, values } of lines) {
    picture.append(shape("path", { class: name, d: stairs(values.map((value) => (value === null ? null : y(value))), step) }));
  }
  for (let at = 0; at < count; at += 1) {
    const told = lines.map(({ values }) => values[at]);
    const text = told.includes(null) ? "" : `${clock(first + at * 60000, false)}: ${said(...told)}`;
    const box = shape("g", { class: "minute" }, text);
    box.append(shape("rect", { class: "hit", x: at * step, y: 0, width: step, height: LOW }));
    picture.prepend(box);
  }
  holder.replaceChildren(picture);
  holder.className = "spark";
}

const frame = (height, label) => shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });

// A level for each minute, and a gap where there is none.
function stairs(levels, step) {
  return levels.map((level, at) => (level === null ? "" : `${levels[at - 1] == null ? `M${at * step} ${level}` : `V${level}`}H${(at + 1) * step}`)).join("");
}

// The next round number whose half is whole too.
function niceTop(value) {
  if (value <= 2) return 2;
  const scale = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * scale).find((round) => round >= value && round % 2 === 0) ?? 2 * value;
}

const short = (value) => (value >= 10000 ? `${value / 1000}k` : value.toLocaleString());
