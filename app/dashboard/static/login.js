// The form that exchanges an API key for a cookie which no script can read.

import { post } from "./api.js";
import { byId, write } from "./dom.js";

const form = byId("login");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post(form.dataset.post, JSON.stringify({ key: byId("key").value }));
    location.reload();
  } catch (error) {
    write(byId("refused"), error.message);
    byId("key").select();
  }
});
