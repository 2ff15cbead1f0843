// What failed, grouped by error.

import { get } from "./api.js";
import { attribute, byId, keyed, make, row, write } from "./dom.js";
import { number, plural } from "./parts.js";
import { run } from "./shell.js";
import { sweep } from "./sweep.js";
import { moment, relative } from "./time.js";

const root = byId("failures");
const filters = byId("filters");
const FILTERS = { since: "86400", priority: "" };
const SHOWN = 3;

// The page's address says which are listed, so that it can be shared.
const chosen = (name) => new URLSearchParams(location.search).get(name) ?? FILTERS[name];

function asked() {
  const query = new URLSearchParams();
  if (chosen("since") !== "all") query.set("since", chosen("since"));
  if (chosen("priority")) query.set("priority", chosen("priority"));
  return query;
}

const poller = run(
  (signal) => get(`${root.dataset.source}?${asked()}`, signal),
  ({ groups, next_cursor: more, sweeps }) => {
    keyed(byId("groups"), groups, (one) => one.group, line, update);
    byId("groups").parentElement.hidden = !groups.length;
    byId("groups-none").hidden = groups.length > 0;
    byId("groups-more").hidden = !more;
    showSweeps(sweeps);
  },
);

function line(one) {
  const element = row(
    ["Batches", make("span")],
    ["Error", make("span", { class: "error-text" }, `${one.type}: ${one.message}`), make("p", { class: "muted error-text" })],
    ["Last", make("span")],
    ["First", make("span")],
    ["Ingestions", make("span")],
    ["Ids", make("a", { download: `failed-${one.group}.ndjson` }, "NDJSON")],
  );
  element.cells[0].className = "number";
  if (root.dataset.redrive) {
    const button = make("button", { type: "button", "aria-label": `Redrive ingestions with ${one.type}: ${one.message}` }, "Redrive its ingestions…");
    const cell = make("td", { role: "cell", "data-label": "Redrive" }, button);
    const where = () => ({ group: one.group, ...(chosen("priority") && { priority: chosen("priority") }) });
    button.addEventListener("click", () => sweep("redrive", button, root.dataset.redrive, where(), "Its progress is below.", poller));
    element.append(cell);
  }
  attribute(element.cells[5].firstChild, "aria-label", `Ids that failed by ${one.type}: ${one.message}, as NDJSON`);
  return element;
}

function update(element, one) {
  const [count, error, last, first, ingestions, ids] = [...element.cells].map((cell) => cell.firstChild);
  write(count, number(one.count));
  const latest = one.sample.error.message;
  attribute(error, "title", `The latest, batch ${one.sample.batch_id}: ${latest}`);
  write(error.nextSibling, latest === one.message ? "" : `The latest: ${latest}`);
  relative(last, one.last_at, "ago");
  relative(first, one.first_at, "ago");
  keyed(
    ingestions,
    [...one.ingestions.slice(0, SHOWN), ...(one.ingestions.length > SHOWN ? ["more"] : [])],
    String,
    (id) => (id === "more" ? make("span", {}, "and more") : make("span", {}, make("a", { href: address(id), title: id }, make("code", {}, id.slice(0, 8))), " ")),
    () => {},
  );
  const query = asked();
  query.set("group", one.group);
  attribute(ids, "href", `${root.dataset.ids}?${query}`);
}

function showSweeps(sweeps) {
  byId("sweeps-card").hidden = !sweeps.length;
  keyed(
    byId("sweeps"),
    sweeps,
    (one) => one.sweep_id,
    (one) => row(
      ["Asked for", make("span")],
      ["What", one.verb],
      ["By", one.by ?? "anybody"],
      ["Filter", Object.entries(one.filter).map(([name, value]) => `${name} ${moment(name, value)}`).join(", ")],
      ["Done", make("span")],
    ),
    (line, one) => {
      relative(line.cells[0].firstChild, one.created_at, "ago");
      const end = one.state === "finished" ? "finished" : "running";
      write(line.cells[4].firstChild, `${end}: ${number(one.acted)} of ${plural(one.matched, "ingestion")}`);
    },
  );
}

// Leads to the failed batches alone.
const address = (id) => `${root.dataset.ingestion.slice(0, -2)}${encodeURIComponent(id)}?status=failed`;

function sync() {
  for (const name of Object.keys(FILTERS)) filters.elements[name].value = chosen(name);
}

filters.addEventListener("change", (event) => {
  const query = new URLSearchParams(location.search);
  query.set(event.target.name, event.target.value);
  history.pushState(null, "", `?${query}`);
  poller.now();
});
filters.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("popstate", () => {
  sync();
  poller.now();
});
sync();
