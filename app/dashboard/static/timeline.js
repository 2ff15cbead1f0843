// When the batches on the page waited and ran, as SVG, with the same as a table.

import { byId, keyed, make, row, write } from "./dom.js";
import { number, plural } from "./parts.js";
import { clock, duration } from "./time.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const LANE = 14;

const WAITS = {
  arrival: "for nothing",
  line: "in line",
  earlier: "or was tried; no more is known of it",
  token: "for a token",
  hold: "for the end of a hold",
  paused: "for the queue to be resumed",
  paused_priority: "for its priority to be resumed",
  paused_owner: "for its caller to be resumed",
  worker: "for a worker",
  slots: "for a free slot",
  connections: "for the upstream to take more at once",
  answer: "for answers that others ask for",
  retry: "for its retry",
};
const RUNS = {
  completed: "completed",
  failed: "failed",
  retry: "failed, to be tried again",
  released: "put back",
  triggered: "not ended",
  cancelled: "not repeated",
};

function shape(tag, attributes, ...texts) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...texts);
  return element;
}

const seconds = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

function said(part) {
  const took = duration(seconds(part.from, part.to));
  if (part.kind === "waits") return `has waited ${took}, now ${WAITS[part.what]}${part.due_at ? `, due at ${clock(part.due_at)}` : ""}`;
  if (part.kind === "waited") return `waited ${took} ${WAITS[part.what]}`;
  return `ran ${took}, ${RUNS[part.what]}${part.error ? `: ${part.error.type}: ${part.error.message}` : ""}`;
}

export function drawTimeline(told) {
  const { lanes, accepted_at: accepted, until, estimated_at_submission: estimate, finished_at: finished } = told;
  byId("timeline-card").hidden = !lanes.length;
  const span = Math.max(seconds(accepted, until), 0.001);
  const x = (stamp) => Math.min(WIDTH, (WIDTH * seconds(accepted, stamp)) / span);
  const height = lanes.length * LANE;
  const picture = shape(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${height}`, height, preserveAspectRatio: "none", role: "img", "aria-labelledby": "timeline-name timeline-about" },
    shape("title", { id: "timeline-name" }, `When ${plural(lanes.length, "batch")} waited and ran`),
    shape("desc", { id: "timeline-about" }, `${summary(told)} The table below says the same of each batch.`),
  );
  lanes.forEach((lane, at) => {
    for (const part of lane.parts) {
      const ran = part.kind === "ran";
      const tall = ran ? LANE - 4 : 3;
      const width = x(part.to) - x(part.from);
      if (!ran && !width) continue;
      const place = { x: x(part.from), y: at * LANE + (LANE - tall) / 2, width: Math.max(width, ran ? 2 : 0), height: tall };
      picture.append(shape("rect", { class: `${ran ? "ran" : "waited"} ${part.what}`, ...place }, shape("title", {}, `Batch ${number(lane.position + 1)} ${said(part)}`)));
    }
  });
  for (const [stamp, kind] of [[estimate, "limit"], [finished, "end"]]) {
    if (stamp) picture.append(shape("line", { class: kind, x1: x(stamp), x2: x(stamp), y1: 0, y2: height }));
  }
  const names = make("div", { class: "lanes", "aria-hidden": "true" }, ...lanes.map((lane) => make("span", {}, number(lane.position + 1))));
  const foot = make("div", { class: "foot", "aria-hidden": "true" }, make("span", {}, clock(accepted)), make("span", {}, clock(until)));
  byId("timeline").replaceChildren(names, picture, foot);
  write(byId("timeline-summary"), summary(told));
  keyed(
    byId("parts"),
    lanes.flatMap((lane) => lane.parts.map((part, at) => ({ ...part, lane, at }))),
    (part) => `${part.lane.position} ${part.at}`,
    (part) => row(["No.", number(part.lane.position + 1)], ["From", make("span")], ["What", make("span")]),
    (line, part) => {
      write(line.cells[1].firstChild, clock(part.from));
      write(line.cells[2].firstChild, said(part));
    },
  );
}

// Accepted, ended, and how that compares with what was said at submission.
function summary({ accepted_at: accepted, finished_at: finished, estimated_at_submission: estimate }) {
  const found = [`Accepted at ${clock(accepted)}`];
  if (estimate) found.push(`then estimated to end at ${clock(estimate)}`);
  if (finished) found.push(`ended at ${clock(finished)}${estimate ? `, ${late(seconds(estimate, finished))}` : ""}`);
  return `${found.join("; ")}.`;
}

const late = (by) => (Math.abs(by) < 1 ? "on time" : `${duration(Math.abs(by))} ${by > 0 ? "late" : "early"}`);
