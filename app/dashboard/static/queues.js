// All queues side by side.

import { get } from "./api.js";
import { byId, make, write } from "./dom.js";
import { held } from "./held.js";
import { number } from "./parts.js";
import { run } from "./shell.js";
import { relative } from "./time.js";

const source = byId("queues-card").dataset.source;
const lines = new Map([...byId("queues").rows].map((line) => [line.dataset.key, line]));

run((signal) => get(source, signal), ({ queues }) => {
  for (const one of queues) if (lines.has(one.name)) show([...lines.get(one.name).cells].slice(1), one);
});

function show([waiting, running, next, why, failed, drained], one) {
  const known = one.waiting !== undefined;
  write(waiting, known ? number(one.waiting) : "–");
  write(running, known ? number(one.running) : "–");
  write(failed, known ? number(one.failed) : "–");
  failed.classList.toggle("bad", one.failed > 0);
  write(why, known ? held(one) : one.unreachable ? "Its store cannot be reached." : "It needs another key: sign in there.");
  relative(span(next), one.next_dispatch_at, "in", known ? (one.stalled ? "stopped" : one.paused ? "paused" : one.waiting ? "–" : "idle") : "–");
  relative(span(drained), one.drained_at, "soon", known && !one.waiting ? "now" : "–");
}

function span(cell) {
  if (!cell.firstElementChild) cell.replaceChildren(make("span"));
  return cell.firstElementChild;
}
