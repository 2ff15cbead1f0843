// The queue's page.

import { get, post } from "./api.js";
import { draw } from "./chart.js";
import { byId, keyed, make, row, write } from "./dom.js";
import { finished, idList, number, pill, plural, progressBar, repaint, setProgress } from "./parts.js";
import { action, ask, notice, run } from "./shell.js";
import { clock, duration, now, relative } from "./time.js";

const root = byId("overview");
const steady = Number(root.dataset.steady);
const address = (id) => root.dataset.ingestion.slice(0, -2) + encodeURIComponent(id);
const filters = byId("filters");
const FILTERS = ["status", "priority", "failed"];

// The page's address says which ingestions are listed, so that it can be shared and the back button works.
const query = () => new URLSearchParams(location.search);

function load(signal) {
  const asked = new URLSearchParams();
  for (const name of [...FILTERS, "cursor"]) if (query().get(name)) asked.set(name, query().get(name));
  return get(`${root.dataset.source}?${asked}`, signal);
}

const poller = run(load, (data) => {
  showNext(data);
  showFigures(data);
  showChart(data);
  showUpcoming(data.next);
  showWorkers(data);
  showRows(data);
  // Just after the next dispatch is when there is something new to see.
  return data.next_dispatch_at ? Date.parse(data.next_dispatch_at) - now() + 150 : undefined;
});

function showNext(data) {
  const none = data.stalled ? "stopped" : data.paused ? "paused" : data.waiting ? "–" : "idle";
  relative(byId("countdown"), data.next_dispatch_at, "left", none);
  write(byId("held"), held(data));
  const every = data.rate.interval ? `one every ${duration(data.rate.interval).replace(".0 s", " s")}` : "no limit";
  const each = data.limits.map(({ limit, tokens }) => `${limit}: ${number(tokens)}${limit === data.binding_limit ? " (binds)" : ""}`);
  write(byId("tokens"), each.length ? `Tokens left of ${each.join(", ")}` : `Tokens: ${data.tokens} of ${data.rate.burst}, ${every}`);
  if (byId("pause")) byId("pause").hidden = data.paused;
  if (byId("resume")) byId("resume").hidden = !data.paused;
  if (byId("end-hold")) byId("end-hold").hidden = !data.hold_until;
  if (byId("reset-rate")) byId("reset-rate").hidden = !data.rate.changed;
  if (byId("interval") && document.activeElement !== byId("interval")) byId("interval").value = data.rate.interval;
}

function held(data) {
  if (data.stalled) return { dead: "The worker is dead.", stuck: "The worker is stuck.", stopping: "The worker is stopping." }[data.worker] ?? "No worker runs.";
  switch (data.waiting_on) {
    case "paused": return "The queue is paused.";
    case "hold": return `The upstream asked for quiet until ${clock(data.hold_until)}.`;
    case "token": return "Waiting for the rate limit.";
    case "answer": return "All that waits is in process for others.";
    case "connections": return "The upstream takes no more at once.";
    case "slots": return `All ${plural(data.slots, "slot")} are busy.`;
    case "retry": return "Only retries are waiting, and none is due yet.";
    case "empty": return "Nothing waits.";
    default: return "Due now.";
  }
}

function showFigures(data) {
  write(byId("waiting"), number(data.waiting));
  write(byId("waiting-note"), data.waiting === 1 ? "batch" : "batches");
  write(byId("running"), number(data.running));
  write(byId("running-note"), `of ${plural(data.slots, "slot")}`);
  write(byId("failed"), number(data.failed));
  byId("failed").classList.toggle("bad", data.failed > 0);
  byId("failed-link").hidden = !data.failed || data.scoped;
  byId("failed-note").hidden = !byId("failed-link").hidden;
  write(byId("failed-note"), data.scoped ? "batches of all callers" : "batches");
  const levels = Object.entries(data.priorities);
  const drained = levels.map(([, level]) => level.drained_at).filter(Boolean).sort().at(-1);
  relative(byId("drained"), drained, "left", data.waiting ? "–" : "now");
  write(byId("drained-note"), drained ? `at ${clock(drained)}` : data.stalled ? "not while stopped" : data.waiting ? "not while paused" : "nothing waits");
  keyed(
    byId("priorities"),
    levels,
    ([name]) => name,
    ([name]) => {
      const line = row(["Waiting", make("span")], ["Oldest", make("span")], ["Drained", make("span")]);
      for (const cell of line.cells) cell.className = "number";
      line.prepend(make("th", { scope: "row" }, pill(name)));
      return line;
    },
    (line, [, level]) => {
      const [waiting, oldest, end] = [...line.querySelectorAll("td > span")];
      write(waiting, number(level.waiting));
      relative(oldest, level.oldest_at, "age");
      relative(end, level.drained_at, "soon");
    },
  );
}

function showWorkers(data) {
  byId("workers-card").hidden = !data.workers.length;
  keyed(
    byId("workers"),
    data.workers,
    (one) => one.id,
    (one) => row(
      ["Worker", make("span", { title: one.id }, `${one.host}, process ${one.process}`)],
      ["Version", one.version],
      ["Slots", make("span")],
      ["Since", make("span")],
      ["Seen", make("span")],
    ),
    (line, one) => {
      const [, , slots, since, seen] = line.cells;
      const hung = one.abandoned ? `, ${number(one.abandoned)} hung` : "";
      write(slots.firstChild, `${number(one.busy)} of ${number(one.slots)} busy${hung}`);
      relative(since.firstChild, one.started_at, "ago");
      relative(seen.firstChild, one.seen_at, "ago");
    },
  );
}

let drawn = "";

function showChart({ chart, estimate_error: error }) {
  const first = Date.parse(chart.first_minute);
  const total = chart.counts.reduce((sum, count) => sum + count, 0);
  const limit = steady ? 60 / steady : 0;
  const parts = total ? [`${number(total)} in the last hour`, `at most ${number(Math.max(...chart.counts))} a minute`] : ["None in the last hour"];
  if (limit) parts.push(`the limit is ${number(Math.round(limit * 10) / 10)} a minute`);
  write(byId("chart-note"), `${parts.join(", ")}.`);
  write(byId("accuracy"), error
    ? `Completion estimates were off by ${duration(error.mean)} on average, ${duration(error.p95)} at the 95th percentile (${plural(error.ingestions, "ingestion")}).`
    : "No estimate to judge yet.");
  const state = JSON.stringify(chart);
  if (state === drawn) return;
  drawn = state;
  draw(byId("chart"), { counts: chart.counts, first, limit, label: `Dispatches per minute: ${parts.join(", ")}` });
}

function showUpcoming(batches) {
  keyed(
    byId("upcoming"),
    batches,
    (batch) => batch.batch_id,
    (batch) => row(
      ["Starts", make("span")],
      ["Priority", pill(batch.priority)],
      ["Ingestion", make("a", { href: address(batch.ingestion_id), title: batch.ingestion_id }, make("code", {}, batch.ingestion_id.slice(0, 8)))],
      ["Ids", idList(batch)],
    ),
    (line, batch) => relative(line.cells[0].firstChild, batch.estimated_start, "in"),
  );
  byId("upcoming-none").hidden = batches.length > 0;
  byId("upcoming").parentElement.hidden = !batches.length;
}

let older = null;

function showRows(data) {
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
  const filtered = FILTERS.some((name) => query().get(name));
  const none = byId("rows-none");
  none.hidden = data.ingestions.length > 0;
  write(none, query().get("cursor") ? "There are no older ones." : filtered ? "None match." : "None yet, or all have been forgotten.");
  byId("rows").parentElement.hidden = !data.ingestions.length;
  older = data.next_cursor;
  const paged = Boolean(query().get("cursor"));
  byId("pager").hidden = !older && !paged;
  byId("newest").disabled = !paged;
  byId("newer").disabled = !paged;
  byId("older").disabled = !older;
}

// `came` lists the cursors of the pages before this one.
function go(changes, came) {
  const next = query();
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  history.pushState({ came }, "", `?${next}`);
  sync();
  poller.now();
}

function sync() {
  for (const name of FILTERS) filters.elements[name].value = query().get(name) ?? "";
  byId("clear").hidden = !FILTERS.some((name) => filters.elements[name].value);
}

filters.addEventListener("change", (event) => go({ [event.target.name]: event.target.value, cursor: "" }, []));
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", (event) => {
  event.preventDefault();
  go({ status: "", priority: "", cursor: "" }, []);
  filters.elements.status.focus();
});
byId("newest").addEventListener("click", () => go({ cursor: "" }, []));
byId("newer").addEventListener("click", () => {
  const came = [...(history.state?.came ?? [])];
  go({ cursor: came.pop() ?? "" }, came);
});
byId("older").addEventListener("click", () => go({ cursor: older }, [...(history.state?.came ?? []), query().get("cursor") ?? ""]));
window.addEventListener("popstate", () => {
  sync();
  poller.now();
});
sync();

action(byId("pause"), () => ({
  title: "Pause the queue?",
  detail: "Nothing is dispatched until somebody resumes it. What is running ends as usual; submissions are still accepted.",
  yes: "Pause",
}), "The queue is paused.", poller);
action(byId("resume"), () => ({
  title: "Resume the queue?",
  detail: "Dispatching continues at once, at the usual rate.",
  yes: "Resume",
}), "The queue is resumed.", poller);
action(byId("end-hold"), () => ({
  title: "End the hold?",
  detail: "The upstream asked for quiet. Dispatching continues at once, at the usual rate.",
  yes: "End it",
}), "The hold is ended.", poller);
action(byId("reset-rate"), () => ({
  title: "Use the configured rate?",
  detail: "Every process on this queue goes back to it from the next start on.",
  yes: "Use it",
}), "The rate is as configured.", poller);
byId("rate")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const seconds = Number(byId("interval").value);
  const question = { title: "Change the rate?", detail: `One start every ${seconds} s, in every process on this queue, until it is changed again.`, yes: "Change it" };
  if (!(await ask(question))) return;
  try {
    await post(byId("rate").dataset.post, JSON.stringify({ interval: seconds }));
    notice("done", "The rate is changed.");
  } catch (error) {
    notice("error", error.title, error.message);
  }
  poller.now();
});
