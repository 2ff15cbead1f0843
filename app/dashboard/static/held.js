// What a queue waits for, in words.

import { plural } from "./parts.js";
import { clock } from "./time.js";

export function held(data) {
  if (data.waiting_on === "store") return "The store takes no changes.";
  if (data.stalled) return { dead: "The worker is dead.", stuck: "The worker is stuck.", stopping: "The worker is stopping." }[data.worker] ?? "No worker runs.";
  switch (data.waiting_on) {
    case "paused": return data.paused ? "The queue is paused." : "All that waits is paused.";
    case "hold": return `The upstream asked for quiet until ${clock(data.hold_until)}.`;
    case "answer": return "All that waits is in process for others.";
    case "token": return "Waiting for the rate limit.";
    case "connections": return "The upstream takes no more at once.";
    case "slots": return `All ${plural(data.slots, "slot")} are busy.`;
    case "retry": return "Only retries are waiting, and none is due yet.";
    case "empty": return "Nothing waits.";
    default: return "Due now.";
  }
}
