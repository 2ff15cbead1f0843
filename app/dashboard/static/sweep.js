// A redrive or a cancel of all that match, which says first how many these are.

import { post } from "./api.js";
import { freshKey } from "./ids.js";
import { plural } from "./parts.js";
import { ask, notice } from "./shell.js";

const SAID = {
  redrive: { title: "Redrive", detail: (batches) => `${plural(batches, "failed batch")} will be started over: all of these ingestions, by whichever error they failed.` },
  cancel: { title: "Cancel", detail: (batches) => `${plural(batches, "batch")} will not be started. What is running ends as usual. This cannot be undone.` },
};

// Whoever confirms must know how many; `after` says where the progress is.
export async function sweep(verb, button, address, where, after, poller) {
  button.disabled = true;
  try {
    const { ingestions, batches } = await post(address, JSON.stringify({ ...where, dry_run: true }));
    const { title, detail } = SAID[verb];
    const question = { title: `${title} ${plural(ingestions, "ingestion")}?`, detail: detail(batches), yes: title, danger: verb === "cancel" };
    if (!(await ask(question))) return;
    await post(address, JSON.stringify(where), { "Idempotency-Key": `"${freshKey()}"` });
    notice("done", `The ${verb} is under way.`, `It goes on in the background. ${after}`);
  } catch (error) {
    notice("error", error.title, error.message);
  } finally {
    button.disabled = false;
    poller.now();
  }
}
