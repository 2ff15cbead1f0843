// The server's time as the page knows it, and times as people read them.

let ahead = 0;

// `now` is the server's time (ms) at this moment.
export function setNow(now) {
  ahead = now - performance.now();
}

export const now = () => performance.now() + ahead;

// Seconds, coarser the more there are: 4.2 s, 42 s, 3 min 20 s, 2 h 05 min, 3 d 4 h.
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value) => String(value).padStart(2, "0");
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

// The same for an interval, of which a part of a second matters: 0.02 s, 1.25 s.
export const exactly = (seconds) => (seconds < 10 ? `${Number(seconds.toPrecision(3))} s` : duration(seconds));

// The same without the seconds of a minute, for what need not change every second: an age in whole ones, and how long
// something takes at most.
export const about = (seconds) => coarse(seconds, Math.floor);
const atMost = (seconds) => coarse(seconds, Math.ceil);

function coarse(seconds, whole) {
  if (seconds >= 3600) return duration(seconds);
  const [name, size] = seconds >= 60 ? ["min", 60] : ["s", 1];
  return `${whole(Math.max(0, seconds) / size)} ${name}`;
}

// The hour, with the day where it is not today.
export function clock(stamp, seconds = true) {
  const moment = new Date(stamp);
  const hour = { hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }) };
  if (moment.toDateString() === new Date(now()).toDateString()) return moment.toLocaleTimeString([], hour);
  return moment.toLocaleString([], { day: "numeric", month: "short", ...hour });
}

// What is said of a member of a filter or of the audit log: a moment like every other.
const MOMENTS = new Set(["since", "until", "hold_until"]);
export function moment(name, value) {
  if (!MOMENTS.has(name) || !value) return value;
  return clock(typeof value === "number" ? 1000 * value : value);
}

const AHEAD = new Set(["in", "ends", "soon", "left"]);

const said = {
  in: (left) => (left > 0.05 ? `in ${duration(left)}` : "now"),
  ends: (left) => (left > 0.05 ? `Ends in ${duration(left)}.` : "Ends now."),
  soon: (left) => (left > 0.05 ? `in ${atMost(left)}` : "now"),
  left: (left) => (left > 0.05 ? duration(left) : "now"),
  ago: (left) => (left > -1 ? "just now" : `${about(-left)} ago`),
  age: (left) => about(-left),
};

// Lets an element show a time (RFC 3339) relative to now, from now on; `otherwise` where there is none.
export function relative(element, stamp, how, otherwise = "–") {
  if (stamp) {
    element.dataset.at = Date.parse(stamp);
    element.dataset.how = how;
    element.title = new Date(stamp).toLocaleString();
  } else {
    delete element.dataset.at;
    element.removeAttribute("title");
  }
  say(element, otherwise);
}

function say(element, otherwise) {
  const { at, how } = element.dataset;
  // A stale page does not know whether what it expected came about.
  const unknown = at - now() <= 50 && AHEAD.has(how) && document.body.classList.contains("stale");
  const text = at === undefined || unknown ? otherwise : said[how]((at - now()) / 1000);
  if (element.textContent !== text) element.textContent = text;
}

export function tick() {
  for (const element of document.querySelectorAll("[data-at]")) say(element, "–");
}
