// The ingestions on the queue's page: filters, counts, pages, and what is done to all that match.

import { attribute, byId, keyed, make, row, write } from "./dom.js";
import { finished, number, pill, progressBar, repaint, setProgress, words } from "./parts.js";
import { sweep } from "./sweep.js";
import { now, relative } from "./time.js";

const card = byId("ingestions");
const filters = byId("filters");
const FILTERS = ["status", "priority", "owner", "failed", "since", "until"];
const ENDED = ["completed", "failed", "cancelled"];

// The page's address says which ingestions are listed, so that it can be shared and the back button works.
const query = () => new URLSearchParams(location.search);
const chosen = (name) => query().get(name) ?? "";

// What is asked of the service.
export function asked() {
  const wanted = new URLSearchParams();
  for (const name of [...FILTERS, "cursor"]) if (chosen(name)) wanted.set(name, chosen(name));
  return wanted;
}

let older = null;

// What is above it has its height only once it is shown.
let arriving = location.hash === `#${card.id}`;

export function showListing(data, address) {
  keyed(
    byId("rows"),
    data.ingestions,
    (one) => one.ingestion_id,
    (one) => row(
      ["Created", make("span")],
      ["Ingestion", make("a", { href: address(one.ingestion_id), title: one.ingestion_id }, make("code", {}, one.ingestion_id.slice(0, 8)))],
      ["Priority", pill(one.priority)],
      ["Status", pill(one.status)],
      ["Progress", make("span", { class: "gauge" }, progressBar(), make("span", { class: "of" }))],
      ["Ids", number(one.id_count)],
    ),
    (line, one) => {
      const [created, , , status, progress, count] = line.cells;
      relative(created.firstChild, one.created_at, "ago");
      repaint(status.firstChild, one.status);
      const [bar, of] = progress.firstChild.children;
      setProgress(bar, one.counts, one.batch_count);
      write(of, `${number(finished(one.counts))} of ${number(one.batch_count)}`);
      count.className = "number";
    },
  );
  const none = byId("rows-none"), yours = data.scoped ? " of yours" : "";
  none.hidden = data.ingestions.length > 0;
  write(none, chosen("cursor") ? "There are no older ones." : isFiltered() ? `None${yours} match.` : `None${yours} yet, or all have been forgotten.`);
  byId("rows").parentElement.hidden = !data.ingestions.length;
  older = data.next_cursor;
  byId("pager").hidden = !older && !chosen("cursor");
  byId("newest").disabled = !chosen("cursor");
  byId("newer").disabled = !chosen("cursor");
  byId("older").disabled = !older;
  showCounts(data);
  if (arriving) card.scrollIntoView();
  arriving = false;
}

// Each count is a button that chooses its status, or no status again.
function showCounts({ counts, counted }) {
  keyed(
    byId("counts"),
    Object.entries(counts),
    ([status]) => status,
    ([status]) => {
      const button = make("button", { type: "button" }, `${words(status)} `, make("b"));
      button.addEventListener("click", () => go({ status: chosen("status") === status ? "" : status, cursor: "" }, []));
      return make("li", {}, button);
    },
    (item, [status, count]) => {
      write(item.querySelector("b"), count < counted ? number(count) : `${number(counted)}+`);
      attribute(item.firstChild, "aria-pressed", String(chosen("status") === status));
    },
  );
}

const isFiltered = () => FILTERS.some((name) => chosen(name));

// `came` lists the cursors of the pages before this one.
function go(changes, came) {
  const next = query();
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  history.pushState({ came }, "", `?${next}`);
  sync();
  look();
}

let look = () => {};

function sync() {
  // Who may not operate has no field for the owner.
  for (const name of ["status", "priority", "owner", "failed"]) if (filters.elements[name]) filters.elements[name].value = chosen(name);
  const isPreset = [...filters.elements.submitted.options].some((option) => option.value === chosen("since"));
  const isBetween = Boolean(chosen("until")) || !isPreset;
  filters.elements.submitted.value = isBetween ? "between" : chosen("since");
  byId("between").hidden = !isBetween;
  for (const name of ["since", "until"]) filters.elements[name].value = isBetween ? local(chosen(name)) : "";
  byId("clear").hidden = !isFiltered();
  showBulk();
}

// A time as its field takes it, in the browser's zone; empty for none, and for what is no time.
function local(stamp) {
  const moment = new Date(stamp);
  if (!stamp || Number.isNaN(moment.getTime())) return "";
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

const stamped = (field) => (field.value ? new Date(field.value).toISOString() : "");

function submitted() {
  const { submitted: choice, since, until } = filters.elements;
  if (choice.value !== "between") return go({ since: choice.value, until: "", cursor: "" }, []);
  byId("between").hidden = false;
  return since.focus();
}

// What a sweep takes of the filters: times that stand still between the count and the act.
function where() {
  const found = {};
  for (const name of ["status", "priority", "owner", "until"]) if (chosen(name)) found[name] = chosen(name);
  if (chosen("failed")) found.failed = true;
  const since = chosen("since");
  if (since) found.since = Number(since) ? new Date(now() - 1000 * Number(since)).toISOString() : since;
  return found;
}

function showBulk() {
  if (!byId("bulk")) return;
  byId("redrive-all").hidden = !["", "triggered", "failed"].includes(chosen("status"));
  byId("cancel-all").hidden = ENDED.includes(chosen("status"));
  byId("bulk").hidden = !isFiltered() || (byId("redrive-all").hidden && byId("cancel-all").hidden);
}

// `poller` looks again when something else is to be listed.
export function listen(poller) {
  look = () => poller.now();
  filters.addEventListener("change", ({ target }) => {
    if (target.name === "submitted") submitted();
    else if (target.type === "datetime-local") go({ since: stamped(filters.elements.since), until: stamped(filters.elements.until), cursor: "" }, []);
    else go({ [target.name]: target.value, cursor: "" }, []);
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", (event) => {
    event.preventDefault();
    go(Object.fromEntries([...FILTERS, "cursor"].map((name) => [name, ""])), []);
    filters.elements.status.focus();
  });
  byId("newest").addEventListener("click", () => go({ cursor: "" }, []));
  byId("newer").addEventListener("click", () => {
    const came = [...(history.state?.came ?? [])];
    go({ cursor: came.pop() ?? "" }, came);
  });
  byId("older").addEventListener("click", () => go({ cursor: older }, [...(history.state?.came ?? []), chosen("cursor")]));
  window.addEventListener("popstate", () => {
    sync();
    look();
  });
  for (const verb of ["redrive", "cancel"]) {
    const button = byId(`${verb}-all`);
    button?.addEventListener("click", () => sweep(verb, button, card.dataset[verb], where(), "Its progress is on the page of failures.", poller));
  }
  sync();
}
