// One ingestion's page.

import { get } from "./api.js";
import { byId, keyed, make, row, write } from "./dom.js";
import { ORDER, finished, idList, number, pill, plural, progressBar, repaint, setProgress, words } from "./parts.js";
import { action, notice, run } from "./shell.js";
import { clock, duration, relative } from "./time.js";
import { drawTimeline } from "./timeline.js";

const root = byId("ingestion");
const bar = byId("progress").appendChild(progressBar());
let shown;

// The page's address says which batches are listed.
const only = () => new URLSearchParams(location.search).get("status") ?? "";
const offset = () => Math.max(0, Number.parseInt(new URLSearchParams(location.search).get("offset"), 10) || 0);

let sought = Number.parseInt(new URLSearchParams(location.search).get("batch"), 10);

byId("only").value = only();

const poller = run(
  (signal) => get(`${root.dataset.source}?${query(offset())}`, signal),
  (data) => {
    shown = data;
    showSummary(data);
    showBatches(data);
    drawTimeline(data.timeline);
    if (sought) mark(sought - 1);
    sought = undefined;
  },
);

function showSummary(data) {
  const { counts } = data;
  keyed(byId("pills"), [data.status, data.priority], String, pill, repaint);
  setProgress(bar, counts, data.batch_count);
  keyed(
    byId("legend"),
    ORDER.filter((status) => counts[status]),
    String,
    (status) => make("li", {}, make("span", { class: `swatch ${status}`, "aria-hidden": "true" }), make("span")),
    (item, status) => write(item.lastChild, `${number(counts[status])} ${words(status)}`),
  );
  keyed(
    byId("facts"),
    facts(data),
    ([name]) => name,
    ([name]) => make("div", {}, make("dt", {}, name), make("dd", {}, make("span"), make("span", { class: "muted" }))),
    (element, [, text, stamp, how]) => {
      write(element.lastChild.firstChild, text);
      relative(element.lastChild.lastChild, stamp, how, "");
    },
  );
  const over = data.finished_at !== null;
  if (byId("cancel")) byId("cancel").hidden = over || counts.cancelled > 0;
  if (byId("redrive")) byId("redrive").hidden = !counts.failed || counts.cancelled > 0;
  if (byId("move")) showMove(data.priority, over || counts.cancelled > 0);
  if (byId("redrive-callback")) byId("redrive-callback").hidden = !data.callback || data.callback.state === "sent";
  byId("next-failed").hidden = !counts.failed || Boolean(only());
  for (const option of byId("only").options) {
    if (option.value) write(option, `${words(option.value)} (${number(counts[option.value])})`);
  }
}

function showMove(priority, over) {
  byId("move").hidden = byId("to").hidden = over;
  for (const option of byId("to").options) option.disabled = option.value === priority;
  if (byId("to").selectedOptions[0]?.disabled) byId("to").value = [...byId("to").options].find((option) => !option.disabled).value;
}

function facts(data) {
  const found = [
    ["Ids", `${number(data.id_count)} in ${plural(data.batch_count, "batch")}`],
    ["Created", clock(data.created_at), data.created_at, "ago"],
  ];
  if (data.served) found.push(["Served without a call", plural(data.served, "id")]);
  if (data.started_at) found.push(["Started", clock(data.started_at), data.started_at, "ago"]);
  if (data.finished_at) {
    found.push(["Finished", clock(data.finished_at), data.finished_at, "ago"]);
    if (data.started_at) found.push(["Took", duration((Date.parse(data.finished_at) - Date.parse(data.started_at)) / 1000)]);
    if (data.callback) found.push(...told(data.callback));
    return found;
  }
  if (data.batches_ahead === undefined) return found;
  const latest = data.at_latest ? ", at the latest" : "";
  if (finished(data.counts) + data.counts.triggered < data.batch_count || data.estimated_start) {
    found.push(["Batches ahead", number(data.batches_ahead)]);
    found.push([`Next start${latest}`, ...estimated(data, data.estimated_start)]);
  }
  found.push([`Completion${latest}`, ...estimated(data, data.estimated_completion)]);
  return found;
}

function told({ state, attempts, error, next_attempt_at: next }) {
  const found = [["Callback", `${state} after ${plural(attempts, "attempt")}${error ? `: ${error}` : ""}`]];
  if (next) found.push(["Callback goes again", clock(next), next, "in"]);
  return found;
}

const estimated = (data, stamp) => (stamp ? [clock(stamp), stamp, "in"] : [data.stalled ? "not while stopped" : data.estimated_completion ? "–" : "not while paused"]);

function showBatches(data) {
  keyed(
    byId("batches"),
    data.batches,
    (batch) => batch.batch_id,
    (batch) => {
      const line = row(["No.", number(batch.position + 1)], ["Status", pill(batch.status)], ["Attempts", make("span")], ["When", make("span")], ["Ids", idList(batch)], ["Latest error", make("span", { class: "error-text" })]);
      line.cells[0].className = line.cells[2].className = "number";
      line.title = `Batch ${batch.batch_id}`;
      return line;
    },
    (line, batch) => {
      const [, status, attempts, when, , error] = line.cells;
      repaint(status.firstChild, ...(batch.next_attempt_at ? ["retry", "waits to retry"] : [batch.status]));
      write(attempts.firstChild, number(batch.attempts));
      write(when.firstChild, moment(batch));
      when.classList.toggle("empty", !moment(batch));
      write(error.firstChild, batch.error ? `${batch.error.type}: ${batch.error.message}` : "");
      error.classList.toggle("empty", !batch.error);
    },
  );
  const last = lastPage(data);
  byId("batches").parentElement.hidden = !data.batches.length;
  byId("batches-none").hidden = data.batches.length > 0 || data.offset > 0;
  byId("pager").hidden = data.listed <= data.page_size && !data.offset;
  byId("first").disabled = byId("previous").disabled = data.offset === 0;
  byId("next").disabled = byId("last").disabled = data.offset >= last;
  const end = Math.min(data.offset + data.page_size, data.listed);
  write(byId("where"), `${number(Math.min(data.offset + 1, end))} to ${number(end)} of ${number(data.listed)}`);
}

function moment(batch) {
  if (batch.next_attempt_at) return `goes again at ${clock(batch.next_attempt_at)}`;
  if (!batch.started_at) return "";
  if (!batch.finished_at) return `${batch.status === "triggered" ? "since" : "tried at"} ${clock(batch.started_at)}`;
  return `${clock(batch.finished_at)}, took ${duration((Date.parse(batch.finished_at) - Date.parse(batch.started_at)) / 1000)}`;
}

const lastPage = (data) => Math.max(0, Math.floor((data.listed - 1) / data.page_size) * data.page_size);

function query(to) {
  const asked = new URLSearchParams({ offset: Math.max(0, to) });
  if (byId("only").value) asked.set("status", byId("only").value);
  return asked;
}

function go(to) {
  history.pushState(null, "", `?${query(to)}`);
  poller.now();
}

byId("only").addEventListener("change", () => go(0));

for (const [id, to] of [
  ["first", () => 0],
  ["previous", () => offset() - shown.page_size],
  ["next", () => offset() + shown.page_size],
  ["last", () => lastPage(shown)],
]) byId(id).addEventListener("click", () => go(to()));
window.addEventListener("popstate", () => {
  byId("only").value = only();
  poller.now();
});

byId("next-failed").addEventListener("click", async () => {
  const marked = byId("batches").querySelector(".sought");
  const from = marked ? Number(marked.dataset.position) + 1 : offset();
  try {
    let { position } = await get(`${root.dataset.failed}?from=${from}`);
    if (position === null && from) ({ position } = await get(`${root.dataset.failed}?from=0`));
    if (position === null) return notice("done", "No failed batches are left.");
    const page = Math.floor(position / shown.page_size) * shown.page_size;
    if (page !== offset()) go(page);
    return seek(position);
  } catch (error) {
    return notice("error", error.title, error.message);
  }
});

// Marks a batch and scrolls to it, as soon as it is on the page.
function seek(position) {
  if (!mark(position)) setTimeout(() => seek(position), 50);
}

function mark(position) {
  const line = [...byId("batches").rows].find((one) => one.cells[0].textContent === number(position + 1));
  if (!line) return false;
  for (const other of byId("batches").querySelectorAll(".sought")) other.classList.remove("sought");
  line.classList.add("sought");
  line.dataset.position = position;
  line.scrollIntoView({ block: "center" });
  return true;
}

action(byId("cancel"), () => ({
  title: "Cancel this ingestion?",
  detail: `${plural(shown.counts.yet_to_start, "batch")} that have not started never will. What runs now ends and keeps its outcome. This cannot be undone.`,
  yes: "Cancel the ingestion",
  no: "Keep it",
  danger: true,
}), "The ingestion is cancelled.", poller);
action(byId("move"), () => ({
  title: `Move this ingestion to ${byId("to").value}?`,
  detail: "What waits of it goes at that priority from now on, in the order in which it was submitted. What runs ends as usual.",
  yes: "Move it",
  body: JSON.stringify({ priority: byId("to").value }),
}), "The ingestion is moved.", poller);
action(byId("redrive-callback"), () => ({
  title: "Send the callback again?",
  detail: "The receiver is told at once that this ingestion ended, under the same webhook-id, and then for another day, until it answers well or that it is gone.",
  yes: "Send it again",
}), "The callback goes again.", poller);
action(byId("redrive"), () => ({
  title: "Redrive the failed batches?",
  detail: `${plural(shown.counts.failed, "failed batch")} will be started over with fresh attempts, at this ingestion's place in the queue.`,
  yes: "Redrive",
}), "The failed batches start over.", poller);
