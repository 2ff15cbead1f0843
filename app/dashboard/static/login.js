// The form that exchanges an API key for a cookie which no script can read.

import { get, post } from "./api.js";
import { byId, write } from "./dom.js";

const form = byId("login");

// A queue's cookie goes with what is below its own path alone, so each queue has a page of all queues.
const elsewhere = [...form.querySelectorAll(".elsewhere")];

// Leads to the first of those pages whose queue grants what `ask` asks of it; resolves to whether there is one.
async function leave(ask) {
  for (const place of elsewhere) {
    if (await ask(place.dataset.post).then(() => true, () => false)) {
      location.replace(place.href);
      return true;
    }
  }
  return false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = JSON.stringify({ key: byId("key").value });
  try {
    await post(form.dataset.post, key);
    location.reload();
  } catch (error) {
    if (await leave((address) => post(address, key))) return;
    write(byId("refused"), error.message);
    byId("key").select();
  }
});

leave(get);
