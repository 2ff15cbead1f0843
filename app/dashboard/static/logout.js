// Drops the cookie that holds the key.

import { post } from "./api.js";
import { byId } from "./dom.js";

byId("logout").addEventListener("click", async () => {
  await post(byId("logout").dataset.post);
  location.reload();
});
