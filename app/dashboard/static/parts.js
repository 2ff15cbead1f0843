// The pieces that several pages show: numbers, pills, lists of ids, progress bars.

import { attribute, make, write } from "./dom.js";

export const words = (status) => status.replaceAll("_", " ");

export const number = (value) => value.toLocaleString();

export const plural = (count, one) => `${number(count)} ${one}${count === 1 ? "" : one.endsWith("ch") ? "es" : "s"}`;

export function pill(word) {
  return make("span", { class: `pill ${word.toLowerCase()}` }, words(word));
}

export function repaint(element, word, label = words(word)) {
  attribute(element, "class", `pill ${word.toLowerCase()}`);
  write(element, label);
}

// The first ids of a batch, and how many more there are.
export function idList(batch) {
  const more = batch.id_count - batch.ids.length;
  // Each by itself, or those in another script's direction would run into their neighbours.
  const ids = batch.ids.flatMap((id, nth) => [nth ? ", " : "", make("bdi", {}, String(id))]);
  return make("span", { class: "ids" }, ...ids, more ? `, and ${number(more)} more` : "");
}

// A progress bar with a part for each status of an ingestion's batches.

export const ORDER = ["completed", "failed", "cancelled", "triggered", "yet_to_start"];

export function progressBar() {
  const parts = ORDER.slice(0, 4).map((status) => make("span", { class: `part ${status}` }));
  return make("div", { class: "progress", role: "progressbar", "aria-label": "Batches finished", "aria-valuemin": "0" }, ...parts);
}

export function setProgress(bar, counts, total) {
  [...bar.children].forEach((part, at) => {
    part.style.width = `${(100 * counts[ORDER[at]]) / total}%`;
  });
  const said = ORDER.filter((status) => counts[status]).map((status) => `${number(counts[status])} ${words(status)}`);
  attribute(bar, "aria-valuemax", String(total));
  attribute(bar, "aria-valuenow", String(finished(counts)));
  attribute(bar, "aria-valuetext", `${said.join(", ")}, of ${number(total)}`);
  attribute(bar, "title", said.join(", "));
}

export const finished = (counts) => counts.completed + counts.failed + counts.cancelled;
