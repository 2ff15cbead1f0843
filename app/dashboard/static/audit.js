// The audit log: who did what.

import { get } from "./api.js";
import { byId, keyed, make, row, write } from "./dom.js";
import { run } from "./shell.js";
import { clock } from "./time.js";

const root = byId("audit");
const WORDS = {
  pause: "paused", resume: "resumed", end_hold: "ended the hold", change_rates: "changed the rate", change_concurrency: "changed the slots",
  cancel: "cancelled", redrive: "redrove", move: "moved", cancel_all: "cancelled all", redrive_all: "redrove all",
};

let limit = 50;
const told = (values) => Object.entries(values).map(([name, value]) => `${name.replaceAll("_", " ")}: ${shown(value)}`).join(", ");
const shown = (value) => (value && typeof value === "object" ? Object.values(value).join(", ") : String(value ?? "none").replaceAll("_", " "));

function subject({ subject: id, action }) {
  if (!id) return "the queue";
  if (action.endsWith("_all")) return "what matches";
  return make("a", { href: root.dataset.ingestion.slice(0, -2) + encodeURIComponent(id) }, id.slice(0, 8));
}

const poller = run((signal) => get(`${root.dataset.source}?limit=${limit}`, signal), (data) => {
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
