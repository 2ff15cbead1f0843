// Ids as text: they may be greater than what a browser's numbers hold exactly.

const SEPARATORS = /[\s,;[\]"']+/;
const WHOLE = /^[+-]?\d{1,30}$/;

// The ids in a text, each in JSON's own spelling, or the `fault` in it.
export function readIds(text, { least, most, count }) {
  const found = [];
  const seen = new Set();
  let lineNumber = 0;
  for (const line of text.split("\n")) {
    lineNumber += 1;
    for (const word of line.split(SEPARATORS)) {
      if (!word) continue;
      const where = `Line ${lineNumber.toLocaleString()}: “${word.slice(0, 40)}”`;
      if (!WHOLE.test(word)) return { fault: `${where} is not a whole number.` };
      const value = BigInt(word);
      if (value < least || value > most) return { fault: `${where} is not from ${least} to ${most}.` };
      const id = value.toString();
      found.push(id);
      seen.add(id);
    }
  }
  if (found.length > count) {
    return { fault: `These are ${found.length.toLocaleString()} ids; at most ${count.toLocaleString()} are accepted.` };
  }
  return { ids: found, repeated: found.length - seen.size };
}

// A request's body. Made by hand, because JSON.stringify would need numbers.
export const requestBody = (ids, priority) => `{"ids":[${ids.join(",")}],"priority":${JSON.stringify(priority)}}`;

// A fresh idempotency key; randomUUID is there on HTTPS and loopback only.
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
