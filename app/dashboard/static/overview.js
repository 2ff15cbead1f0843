// The queue's page.

import { get, post } from "./api.js";
import { byId, keyed, make, row, write } from "./dom.js";
import { held } from "./held.js";
import { showHour } from "./hour.js";
import { asked, listen, showListing } from "./listing.js";
import { idList, number, pill, plural } from "./parts.js";
import { action, ask, notice, run } from "./shell.js";
import { clock, exactly, now, relative } from "./time.js";

// Batches of a worker that are shown.
const RUNS = 3;

const root = byId("overview");
const address = (id) => root.dataset.ingestion.slice(0, -2) + encodeURIComponent(id);

const poller = run((signal) => get(`${root.dataset.source}?${asked()}`, signal), (data) => {
  showNext(data);
  showPauses(data);
  showFigures(data);
  showHour(data);
  showUpcoming(data.next);
  showCallers(data);
  showWorkers(data);
  showConcurrency(data);
  showListing(data, address);
  // Just after the next dispatch is when there is something new to see.
  return data.next_dispatch_at ? Date.parse(data.next_dispatch_at) - now() + 150 : undefined;
});

function showNext(data) {
  const none = data.stalled ? "stopped" : data.waiting_on === "paused" ? "paused" : data.waiting ? "–" : "idle";
  relative(byId("countdown"), data.next_dispatch_at, "left", none);
  write(byId("held"), held(data));
  const every = data.rate.interval ? `one every ${exactly(data.rate.interval)}` : "no limit";
  const each = data.limits.map(({ limit, tokens }) => `${limit}: ${number(tokens)}${limit === data.binding_limit ? " (binds)" : ""}`);
  write(byId("tokens"), each.length ? `Tokens left of ${each.join(", ")}` : `Tokens: ${data.tokens} of ${data.rate.burst}, ${every}`);
  if (byId("pause")) byId("pause").hidden = data.paused;
  if (byId("resume")) byId("resume").hidden = !data.paused;
  if (byId("end-hold")) byId("end-hold").hidden = !data.hold_until;
  if (byId("reset-rate")) byId("reset-rate").hidden = !data.rate.changed;
  if (byId("rate")) showRate(data.rate);
}

// A field follows what is in force until somebody writes into it.
function showRate(rate) {
  const limits = rate.limits.map((limit, at) => [`limit-${at}`, limit]);
  for (const [id, value] of [["interval", String(rate.interval)], ["burst", String(rate.burst)], ...limits]) {
    const field = byId(id);
    if (!field) continue;
    if (field.value === field.defaultValue) field.value = value;
    field.defaultValue = value;
  }
}

function showPauses(data) {
  if (!byId("pauses")) return;
  for (const [name, level] of Object.entries(data.priorities)) {
    byId(`pause-${name}`).hidden = level.paused;
    byId(`resume-${name}`).hidden = !level.paused;
  }
  const paused = byId("paused-owners");
  keyed(paused, data.paused_owners, String, (owner) => {
    const button = make("button", { type: "button", "data-post": `${paused.dataset.resume}?owner=${encodeURIComponent(owner)}` }, `Resume the caller ${owner}`);
    action(button, () => ({
      title: `Resume ${owner}?`,
      detail: "What waits of this caller is dispatched in its place again, at the usual rate.",
      yes: "Resume",
    }), `${owner} is resumed.`, poller);
    return button;
  }, () => {});
}

function showFigures(data) {
  write(byId("waiting"), number(data.waiting));
  const again = data.next_retry_at ? `, the next retry at ${clock(data.next_retry_at)}` : "";
  write(byId("waiting-note"), `${data.waiting === 1 ? "batch" : "batches"}${again}`);
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
      const line = row(["Waiting", make("span"), make("span", { class: "muted" })], ["Oldest", make("span")], ["Drained", make("span")]);
      for (const cell of line.cells) cell.className = "number";
      line.prepend(make("th", { scope: "row" }, pill(name)));
      return line;
    },
    (line, [, level]) => {
      const [waiting, parked, oldest, end] = [...line.querySelectorAll("td > span")];
      write(waiting, number(level.waiting));
      write(parked, level.paused ? " paused" : level.parked ? ` (${number(level.parked)} paused)` : "");
      relative(oldest, level.oldest_at, "age");
      relative(end, level.drained_at, "soon");
    },
  );
}

function showCallers(data) {
  byId("callers-card").hidden = !data.callers.length;
  keyed(
    byId("callers"),
    data.callers,
    (one) => `${one.priority} ${one.name ?? ""}`,
    (one) => row(
      ["Caller", one.name ?? "nobody"],
      ["Priority", pill(one.priority)],
      ["Waiting", make("span"), make("span", { class: "muted" })],
      ["Oldest", make("span")],
    ),
    (line, one) => {
      const [, , waiting, oldest] = line.cells;
      write(waiting.firstChild, number(one.waiting));
      write(waiting.lastChild, one.parked ? ` (${one.parked === one.waiting ? "" : `${number(one.parked)} `}paused)` : "");
      relative(oldest.firstChild, one.oldest_at, "age");
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
      ["Runs", make("span"), make("span", { class: "muted" })],
      ["Since", make("span")],
      ["Seen", make("span")],
    ),
    (line, one) => {
      const [, , slots, runs, since, seen] = line.cells;
      showRuns(runs.firstChild, one);
      // A report may be older than its runs, of which a page has a hundred.
      const more = Math.max(one.busy, one.runs.length) - RUNS;
      write(runs.lastChild, more > 0 ? `and ${number(more)} more` : "");
      const hung = one.abandoned ? `, ${number(one.abandoned)} hung` : "";
      write(slots.firstChild, `${number(one.busy)} of ${number(one.slots)} busy${hung}`);
      relative(since.firstChild, one.started_at, "ago");
      relative(seen.firstChild, one.seen_at, "ago");
    },
  );
}

function showRuns(place, { runs }) {
  keyed(
    place,
    runs.slice(0, RUNS),
    (one) => `${one.batch_id} ${one.attempt}`,
    (one) => make("span", { class: "run" },
      make("a", { href: address(one.ingestion_id), title: `Batch ${one.batch_id}` }, make("code", {}, one.ingestion_id.slice(0, 8))),
      " ", make("span", { class: "muted" })),
    (line, one) => relative(line.lastChild, one.started_at, "age"),
  );
}

function showConcurrency({ concurrency, workers }) {
  const form = byId("concurrency");
  if (!form) return;
  byId("reset-concurrency").hidden = !concurrency.changed;
  byId("slots").max = concurrency.most;
  if (!form.contains(document.activeElement)) byId("slots").value ||= concurrency.each;
  const [each, ...rest] = byId("worker").options;
  const known = new Set(workers.map((one) => one.id));
  for (const option of rest) if (!known.delete(option.value)) option.remove();
  for (const one of workers) if (known.has(one.id)) byId("worker").append(make("option", { value: one.id }, `${one.host}, process ${one.process}`));
  write(each, "each process");
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

listen(poller);

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
for (const name of ["HIGH", "MEDIUM", "LOW"]) {
  action(byId(`pause-${name}`), () => ({
    title: `Pause ${name}?`,
    detail: `Nothing of this priority is dispatched until somebody resumes it; the others go on. What is running ends as usual; submissions are still accepted.`,
    yes: "Pause",
  }), `${name} is paused.`, poller);
  action(byId(`resume-${name}`), () => ({
    title: `Resume ${name}?`,
    detail: "What waits of this priority is dispatched in its place again, at the usual rate.",
    yes: "Resume",
  }), `${name} is resumed.`, poller);
}
byId("pause-owner")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const owner = byId("owner").value;
  send(`${event.target.dataset.post}?owner=${encodeURIComponent(owner)}`, undefined, {
    title: `Pause ${owner}?`,
    detail: "Nothing of this caller is dispatched until somebody resumes it; the others go on. What is running ends as usual; submissions are still accepted.",
    yes: "Pause",
  }, `${owner} is paused.`);
});
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
// How many starts a limit allows is at its beginning.
for (const field of document.querySelectorAll("[data-most]")) {
  field.addEventListener("input", () => {
    const { least, most } = field.dataset;
    const starts = Number.parseInt(field.value, 10);
    field.setCustomValidity(starts < least || starts > most ? `It may allow ${number(Number(least))} to ${number(Number(most))}.` : "");
  });
}
byId("rate")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const fields = [...form.querySelectorAll("input")].map((one) => [one.dataset.configured, one.value.trim()]);
  const [[interval, every], [burst, most], ...limits] = fields;
  // What is not named is as configured: all that differs is named, whoever changed it.
  const wanted = { limits: Object.fromEntries(limits.filter(([configured, limit]) => limit !== configured)) };
  if (Number(every) !== Number(interval)) wanted.interval = Number(every);
  if (Number(most) !== Number(burst)) wanted.burst = Number(most);
  const told = [
    Number(every) ? `One start every ${Number(every)} s, at most ${number(Number(most))} saved up` : "No seconds between starts",
    ...limits.map(([configured, limit]) => (limit === configured ? limit : `${limit} in place of ${configured}`)),
  ];
  send(form.dataset.post, JSON.stringify(wanted), {
    title: "Change the rate?",
    detail: `${told.join(", ")}; in every process on this queue, until it is changed again.`,
    yes: "Change it",
  }, "The rate is changed.");
});

byId("concurrency")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const [worker, count] = [byId("worker").value, Number(byId("slots").value)];
  const query = worker ? `?worker=${encodeURIComponent(worker)}` : "";
  send(`${event.target.dataset.post}${query}`, JSON.stringify({ concurrency: count }), {
    title: "Change the slots?",
    detail: `${plural(count, "batch")} at once in ${byId("worker").selectedOptions[0].textContent}, until it is changed again. What runs ends as usual.`,
    yes: "Change them",
  }, "The slots are changed.");
});
action(byId("reset-concurrency"), () => ({
  title: "Use the configured number of slots?",
  detail: "Every process on this queue goes back to its own CONCURRENCY.",
  yes: "Use it",
}), "The slots are as configured.", poller);

// Sends what a form says, once it is confirmed.
async function send(address, body, question, done) {
  if (!(await ask(question))) return;
  try {
    await post(address, body);
    notice("done", done);
  } catch (error) {
    notice("error", error.title, error.message);
  }
  poller.now();
}
