// What every page has: alerts, notices, freshness, and actions that ask first.

import { Failure, post } from "./api.js";
import { byId, keyed, make, write } from "./dom.js";
import { Poller } from "./poll.js";
import { about, relative, setNow, tick } from "./time.js";

const TICK = 200;

// Polls with `load` and displays with `show`, under this page's banner and freshness mark.
export function run(load, show) {
  const poller = new Poller(
    load,
    (answer) => {
      setNow(Date.parse(answer.now));
      alerts(answer.alerts);
      const wait = show(answer);
      freshness(poller);
      return wait;
    },
    (error) => {
      // Anything but a Failure is a bug in this page: it must show, but not end the polling.
      if (!(error instanceof Failure)) console.error(error);
      alerts([{ level: "error", title: title(error), detail: error.message }]);
      freshness(poller);
    },
  );
  byId("retry").addEventListener("click", () => poller.now());
  setInterval(() => {
    if (document.hidden) return;
    tick();
    freshness(poller);
  }, TICK);
  poller.now();
  return poller;
}

function title(error) {
  if (error.status === 503) return "Store unreachable";
  return error.title ?? "This page has a bug";
}

function alerts(found) {
  keyed(
    byId("alerts"),
    found,
    (alert) => `${alert.level} ${alert.title}`,
    (alert) => make("div", { class: `alert ${alert.level}` }, make("strong"), make("span"), make("b", { "aria-live": "off" })),
    (element, alert) => {
      const [title, detail, until] = element.children;
      write(title, alert.title);
      write(detail, alert.detail);
      until.hidden = !alert.until;
      relative(until, alert.until, "ends", "");
    },
  );
}

function freshness(poller) {
  const text = byId("freshness-text");
  const age = poller.heardAt === undefined ? undefined : (performance.now() - poller.heardAt) / 1000;
  const stale = poller.stale;
  byId("freshness").classList.toggle("stale", stale);
  byId("freshness").classList.toggle("live", !stale && age !== undefined);
  document.body.classList.toggle("stale", stale);
  byId("retry").hidden = !stale;
  if (!stale) return write(text, age === undefined ? "Loading…" : "Live");
  const last = age === undefined ? "No answer yet" : `Stale: ${about(age)} old`;
  const next = poller.nextAt === undefined ? "asking" : `next try in ${Math.max(0, Math.ceil((poller.nextAt - performance.now()) / 1000))} s`;
  return write(text, `${last}, ${next}`);
}

// A line at the top that stays until the next one, or until it is dismissed.
export function notice(level, title, detail = "") {
  const dismiss = make("button", { type: "button", class: "quiet", "aria-label": "Dismiss" }, "×");
  const element = make("div", { class: `alert ${level}` }, make("strong", {}, title), make("span", {}, detail), dismiss);
  dismiss.addEventListener("click", () => element.remove());
  byId("notices").replaceChildren(element);
  element.scrollIntoView({ block: "nearest" });
}

// Asks in a dialog; resolves to whether the answer is yes.
export function ask({ title, detail, yes, no = "Back", danger = false }) {
  const dialog = byId("ask");
  write(byId("ask-title"), title);
  write(byId("ask-detail"), detail);
  write(byId("ask-yes"), yes);
  write(byId("ask-no"), no);
  byId("ask-yes").className = danger ? "danger" : "primary";
  dialog.returnValue = "no";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}

// A button that asks, posts to its address, says how it went, and has the page look again.
export function action(button, question, done, poller) {
  button?.addEventListener("click", async () => {
    const asked = question();
    if (!(await ask(asked))) return;
    button.disabled = true;
    const around = button.parentElement;
    try {
      await post(button.dataset.post, asked.body);
      notice("done", done);
    } catch (error) {
      notice("error", error.title, error.message);
    } finally {
      button.disabled = false;
      await poller.now();
      // It may be gone now, with the focus: that of its counterpart is next to it.
      if (button.hidden) around.querySelector("button:not([hidden])")?.focus();
    }
  });
}
