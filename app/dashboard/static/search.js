// Where an id is.

import { get } from "./api.js";
import { attribute, byId, keyed, make, row, write } from "./dom.js";
import { number, pill, repaint } from "./parts.js";
import { run } from "./shell.js";
import { relative } from "./time.js";

const root = byId("found");

// Looking through ingestions is work for the service; an index is not.
const SELDOM = 30000;
let latest = { searched: 0 };
let latestAt;

async function load(signal) {
  const source = root.dataset.source;
  if (latest.searched && performance.now() - latestAt < SELDOM) return { ...latest, ...(await get(source.split("?")[0], signal)) };
  latest = await get(source, signal);
  latestAt = performance.now();
  return latest;
}

run(
  load,
  ({ found, ingestions, more, searched, extent }) => {
    keyed(byId("places"), found, (one) => `${one.batch.batch_id} ${one.nth}`, line, update);
    byId("places").parentElement.hidden = !found.length;
    byId("places-more").hidden = !more;
    byId("named").hidden = !ingestions.length;
    keyed(byId("ingestions"), ingestions, String, (id) => make("span", {}, make("a", { href: address(id) }, make("code", {}, id)), " "), () => {});
    write(byId("extent"), searched ? `${extent} They are looked through again every half minute.` : extent);
  },
);

function line(one) {
  const { batch, page } = one;
  const place = `${address(one.ingestion_id)}?offset=${page}&batch=${batch.position + 1}`;
  return row(
    ["Ingestion", make("a", { href: address(one.ingestion_id), title: one.ingestion_id }, make("code", {}, one.ingestion_id.slice(0, 8)))],
    ["Priority", one.priority],
    ["Submitted", make("span")],
    ["Batch", make("a", { href: place, title: batch.batch_id }, number(batch.position + 1))],
    ["Status", pill(batch.status)],
    ["When", make("span")],
    ["Result", make("span")],
  );
}

function update(element, { batch, created_at: created, estimated_start: start, data, error }) {
  const [, , submitted, , status, when, result] = [...element.cells].map((cell) => cell.firstChild);
  relative(submitted, created, "ago");
  repaint(status, batch.status);
  if (batch.finished_at) relative(when, batch.finished_at, "ago");
  else if (start) relative(when, start, "in");
  else relative(when, batch.started_at, "ago");
  const why = error ?? batch.error;
  attribute(result, "class", why ? "error-text" : "ids");
  write(result, why ? `${why.type}: ${why.message}` : (data ?? "–"));
}

const address = (id) => `${root.dataset.ingestion.slice(0, -2)}${encodeURIComponent(id)}`;
