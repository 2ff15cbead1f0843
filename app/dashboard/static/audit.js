// The audit log: who did what.

import { get } from "./api.js";
import { byId, keyed, make, row, write } from "./dom.js";
import { run } from "./shell.js";
import { clock, moment } from "./time.js";

const root = byId("audit");
const WORDS = {
  pause: "paused", resume: "resumed", end_hold: "ended the hold", change_rates: "changed the rate", change_concurrency: "changed the slots",
  cancel: "cancelled", redrive: "redrove", redrive_callback: "sent the callback again", move: "moved", cancel_all: "cancelled all", redrive_all: "redrove all",
};

let limit = 50;
const told = (values) => Object.entries(values).map(([name, value]) => `${name.replaceAll("_", " ")}: ${shown(moment(name, value))}`).join(", ");

// A worker by where it runs, as long as it is there; else by its id.
let workers = new Map();

// A limit in force beside its name, which is the one that is configured; a worker's slots.
function member([name, value]) {
  if (typeof value !== "string") return `${workers.get(name) ?? name} ${value}`;
  return value === name ? value : `${value} in place of ${name}`;
}

function shown(value) {
  if (Array.isArray(value)) return value.join(", ") || "none";
  if (value && typeof value === "object") return Object.entries(value).map(member).join(", ") || "as configured";
  return String(value ?? "none").replaceAll("_", " ");
}

function subject({ subject: id, action }) {
  if (!id) return "the queue";
  if (action.endsWith("_all")) return "what matches";
  return make("a", { href: root.dataset.ingestion.slice(0, -2) + encodeURIComponent(id) }, id.slice(0, 8));
}

const poller = run((signal) => get(`${root.dataset.source}?limit=${limit}`, signal), (data) => {
  workers = new Map(data.workers.map(({ id, host, process }) => [id, `${host}, process ${process}:`]));
  keyed(
    byId("entries"),
    data.entries,
    (entry) => String(entry.number),
    (entry) => row(["When", clock(entry.at)], ["Who", entry.by ?? "anybody"], ["Did", WORDS[entry.action] ?? entry.action],
      ["To", subject(entry)], ["Before", told(entry.before)], ["After", told(entry.after)]),
    () => {},
  );
  byId("entries-none").hidden = data.entries.length > 0;
  byId("older").hidden = !data.next_cursor || limit >= 1000;
  write(byId("older"), "Older");
});
byId("older").addEventListener("click", () => {
  limit = Math.min(1000, limit * 2);
  poller.now();
});
