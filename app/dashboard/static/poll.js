// Polls, one request at a time: pauses while the page is hidden, and slows down while requests fail.

const EVERY = 2000;
const SOONEST = 500;
const RAREST = 30000;

export class Poller {
  // `load(signal)` asks, `show(answer)` displays it and may return in how many ms to ask again,
  // `failed(error)` is called with each failure.
  constructor(load, show, failed) {
    this.load = load;
    this.show = show;
    this.failed = failed;
    this.failures = 0;
    this.heardAt = undefined;
    this.nextAt = undefined;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.now()));
  }

  // Ask at once, and drop any request under way; resolves once the answer is shown.
  now() {
    this.rest();
    this.under?.abort();
    return this.ask();
  }

  rest() {
    clearTimeout(this.timer);
    this.nextAt = undefined;
  }

  get stale() {
    return this.failures > 0 || (this.heardAt !== undefined && performance.now() - this.heardAt > 4 * EVERY);
  }

  async ask() {
    const under = new AbortController();
    this.under = under;
    this.nextAt = undefined;
    try {
      const answer = await this.load(under.signal);
      if (this.under !== under) return;
      this.failures = 0;
      this.heardAt = performance.now();
      const wait = this.show(answer) ?? EVERY;
      this.schedule(Math.min(EVERY, Math.max(SOONEST, wait)));
    } catch (error) {
      if (this.under !== under) return;
      this.failures += 1;
      // Pages that lost the same service must not all come back at the same moment.
      this.schedule(Math.min(RAREST, EVERY * 2 ** this.failures) * (0.75 + Math.random() / 2));
      this.failed(error);
    }
  }

  schedule(wait) {
    this.under = undefined;
    if (document.hidden) return;
    this.nextAt = performance.now() + wait;
    this.timer = setTimeout(() => this.ask(), wait);
  }
}
