// The form to submit ids, with the quote for each priority.

import { Failure, get, post } from "./api.js";
import { byId, write } from "./dom.js";
import { freshKey, readIds, requestBody } from "./ids.js";
import { number, plural } from "./parts.js";
import { notice, run } from "./shell.js";
import { clock, duration } from "./time.js";

const form = byId("submit");
const text = byId("ids");
const file = byId("file");
const bounds = {
  type: form.dataset.idType,
  longest: Number(form.dataset.longest),
  least: BigInt(form.dataset.least),
  most: BigInt(form.dataset.most),
  count: Number(form.dataset.maxIds),
};

let ids = [];
let sending = false;
let key = freshKey();

// A quote depends only on how many ids there are, so that is all the page sends.
const poller = run((signal) => get(`${form.dataset.source}?ids=${ids.length || 1}`, signal), showQuote);

function showQuote({ now, quote, stalled }) {
  for (const choice of form.querySelectorAll(".choice")) {
    const { estimated_start: start, estimated_completion: end, batches_ahead: batches, at_latest: latest } = quote[choice.dataset.priority];
    const [starts, ends, behind] = choice.querySelector(".quote").children;
    const left = (stamp) => (Date.parse(stamp) - Date.parse(now)) / 1000;
    const ahead = plural(batches, "batch");
    if (!ids.length) {
      for (const line of [starts, ends]) write(line, "");
      write(behind, batches ? `${ahead} ahead` : "nothing ahead");
    } else if (!start) {
      write(starts, stalled ? "no time without a worker" : "no time while paused");
      write(ends, "");
      write(behind, `${ahead} ahead`);
    } else {
      write(starts, left(start) > 0.05 ? `starts ${latest ? "with" : ""}in ${duration(left(start))}` : "starts now");
      write(ends, `ends ${latest ? "with" : ""}in ${duration(left(end))}`);
      write(behind, `at ${clock(end)}, ${batches ? `${ahead} ahead` : "nothing ahead"}`);
    }
  }
}

async function read() {
  const chosen = file.files[0];
  text.disabled = Boolean(chosen);
  byId("drop").hidden = !chosen;
  const found = readIds(chosen ? await chosen.text() : text.value, bounds);
  if (chosen !== file.files[0]) return;
  ids = found.ids ?? [];
  key = freshKey();
  const batches = Math.ceil(ids.length / Number(form.dataset.batchSize));
  const repeated = found.repeated ? ` (${number(found.repeated)} repeated)` : "";
  const summary = ids.length ? `${plural(ids.length, "id")}${repeated} in ${plural(batches, "batch")}.` : "";
  write(byId("ids-found"), found.fault ?? (summary || (chosen ? "There are no ids in this file." : "")));
  byId("ids-found").classList.toggle("error-text", Boolean(found.fault) || Boolean(chosen && !ids.length));
  text.setAttribute("aria-invalid", String(Boolean(found.fault) && !chosen));
  label();
  poller.now();
}

function label() {
  const priority = form.elements.priority.value;
  byId("send").disabled = sending || !ids.length;
  write(byId("send"), ids.length ? `Submit ${plural(ids.length, "id")} as ${priority}` : "Submit");
}

let typed;
text.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(read, 200);
});
file.addEventListener("change", read);
byId("drop").addEventListener("click", () => {
  file.value = "";
  read();
  text.focus();
});
form.addEventListener("change", (event) => {
  if (event.target.name === "priority") {
    key = freshKey();
    label();
  }
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!ids.length || sending) return;
  sending = true;
  label();
  try {
    // The key stays as long as the form is unchanged, so sending again after a lost answer submits nothing twice.
    const body = requestBody(ids, form.elements.priority.value);
    const { ingestion_id: made } = await post(form.dataset.post, body, { "Idempotency-Key": `"${key}"` });
    location.assign(form.dataset.ingestion.slice(0, -2) + encodeURIComponent(made));
  } catch (error) {
    const again = error instanceof Failure && !error.status ? " Sending again submits nothing twice." : "";
    notice("error", error.status ? "Not submitted" : error.title, error.status ? error.message : `The service did not answer.${again}`);
  } finally {
    sending = false;
    label();
  }
});
read();
