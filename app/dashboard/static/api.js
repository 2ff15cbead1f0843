// JSON over fetch; what goes wrong becomes an Error with a title and a detail for people.

const PATIENCE = 15000;

export class Failure extends Error {
  constructor(title, detail, status = 0) {
    super(detail);
    this.title = title;
    this.status = status;
  }
}

export const get = (address, signal) => call(address, {}, signal);

export const post = (address, body, headers = {}) =>
  call(address, { method: "POST", body, headers: { ...(body && { "Content-Type": "application/json" }), ...headers } });

async function call(address, options, outer) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  outer?.addEventListener("abort", stop);
  // What is sent may be large, so only requests that send nothing are given up.
  const timer = options.method ? undefined : setTimeout(stop, PATIENCE);
  try {
    const response = await fetch(address, { cache: "no-store", ...options, signal: controller.signal });
    const isJson = /\bjson\b/.test(response.headers.get("Content-Type") ?? "");
    const document = isJson ? await response.json() : undefined;
    if (response.ok && (isJson || response.status === 204)) return document;
    throw refusal(response, document, options);
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (options.method) throw new Failure("No answer from the service", "Nobody knows whether that was done: look before you try again.");
    throw new Failure("No answer from the service", "It cannot be reached, or takes too long. What you see is old.");
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", stop);
  }
}

function refusal(response, problem, options) {
  const listed = (problem?.errors ?? []).map((fault) => fault.detail).slice(0, 5);
  if (response.status === 401 && !options.body) return new Failure("You are signed out", "Reload this page to sign in again.", 401);
  const detail = listed.length ? listed.join(" ") : problem?.detail ?? `The answer was ${response.status}.`;
  const title = { 403: "Not allowed", 404: "Not found", 503: "Not available" }[response.status];
  return new Failure(title ?? problem?.title ?? "The request failed", detail, response.status);
}
