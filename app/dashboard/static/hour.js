// The last hour on the queue's page: the chart, how long each priority waited, how far off the estimates were.

import { draw, drawLines } from "./chart.js";
import { byId, keyed, make, row, write } from "./dom.js";
import { number, pill, plural } from "./parts.js";
import { duration } from "./time.js";

const sum = (values) => values.reduce((total, value) => total + value, 0);

let drawn = "";

export function showHour({ hour, estimate_error: error }) {
  write(byId("accuracy"), error
    ? `Completion estimates were off by ${duration(error.mean)} on average, ${duration(error.p95)} at the 95th percentile (${plural(error.ingestions, "ingestion")}).`
    : "No estimate to judge yet.");
  const state = JSON.stringify(hour);
  if (state === drawn) return;
  drawn = state;
  const first = Date.parse(hour.first_minute);
  const said = inWords(hour);
  write(byId("chart-note"), `${said}.`);
  draw(byId("chart"), { ...hour, first, label: `Dispatches per minute: ${said}` });
  showWaits(hour.waits, first);
  const judged = hour.misses.filter((miss) => miss !== null);
  byId("misses").hidden = !judged.length;
  if (judged.length) drawLines(byId("misses"), { lines: [{ name: "line", values: hour.misses }], first, said: (miss) => `off by ${duration(miss)}`, label: `By how much estimates were off, by the minute: ${duration(Math.max(...judged))} at most` });
}

function inWords({ counts, failed, held, paused, rate, configured_rate: configured }) {
  const total = sum(counts);
  const parts = total ? [`${number(total)} in the last hour`, `at most ${number(Math.max(...counts))} a minute`] : ["None in the last hour"];
  if (sum(failed)) parts.push(`${number(sum(failed))} failed`);
  if (sum(held)) parts.push(`on hold for ${duration(sum(held))}`);
  if (sum(paused)) parts.push(`paused for ${duration(sum(paused))}`);
  if (rate) parts.push(`the rate in force is ${often(rate)}`);
  if (rate !== configured) parts.push(`${configured ? often(configured) : "no limit"} is configured`);
  return parts.join(", ");
}

const often = (rate) => (rate >= 1 ? `${number(Math.round(rate * 10) / 10)} a minute` : `one every ${duration(60 / rate)}`);

function showWaits(waits, first) {
  keyed(
    byId("waits"),
    Object.entries(waits),
    ([name]) => name,
    ([name]) => {
      const line = row(["Half within", make("span")], ["95 % within", make("span")], ["By the minute", make("div")]);
      for (const cell of [...line.cells].slice(0, 2)) cell.className = "number";
      line.prepend(make("th", { role: "rowheader", scope: "row" }, pill(name)));
      return line;
    },
    (line, [name, one]) => {
      const [, half, most, over] = [...line.cells].map((cell) => cell.firstChild);
      write(half, one.p50 === null ? "–" : duration(one.p50));
      write(most, one.p95 === null ? "–" : duration(one.p95));
      over.hidden = one.p95 === null;
      if (one.p95 === null) return;
      const lines = [{ name: "line", values: one.p95_by_minute }, { name: "half", values: one.p50_by_minute }];
      const longest = Math.max(...one.p95_by_minute);
      drawLines(over, { lines, first, said: (p95, p50) => `95 % within ${duration(p95)}, half within ${duration(p50)}`, label: `Waits at ${name} by the minute: 95 % within ${duration(longest)} at most` });
    },
  );
}
