// Ids as text: they may be greater than what a browser's numbers hold exactly.

const SEPARATORS = /[\s,;[\]"']+/;
const WHOLE = /^[+-]?\d{1,30}$/;
// As app/core/characters.py has it: in the first plane of Unicode alone.
const UNPRINTABLE = /(?=[\0-\uffff])(?! )[\p{Cc}\p{Cf}\p{Z}]|\p{Cs}/u;

// How ids of each type are found in a line, what is wrong with one, and how JSON spells it.
const TYPES = {
  integer: {
    words: (line) => line.split(SEPARATORS),
    fault(word, { least, most }) {
      if (!WHOLE.test(word)) return "is not a whole number";
      return BigInt(word) < least || BigInt(word) > most ? `is not from ${least} to ${most}` : "";
    },
    spell: (word) => BigInt(word).toString(),
  },
  string: {
    words: (line) => [line.trim()],
    fault(word, { longest }) {
      if ([...word].length > longest) return `has more than ${longest} characters`;
      return UNPRINTABLE.test(word) ? "holds a character that is not printable" : "";
    },
    spell: JSON.stringify,
  },
};

// The ids in a text, each in JSON's own spelling, or the `fault` in it.
export function readIds(text, bounds) {
  const type = TYPES[bounds.type];
  const found = [];
  let lineNumber = 0;
  for (const line of text.split("\n")) {
    lineNumber += 1;
    for (const word of type.words(line)) {
      if (!word) continue;
      const fault = type.fault(word, bounds);
      if (fault) return { fault: `Line ${lineNumber.toLocaleString()}: “${word.slice(0, 40)}” ${fault}.` };
      found.push(type.spell(word));
    }
  }
  if (found.length > bounds.count) {
    return { fault: `These are ${found.length.toLocaleString()} ids; at most ${bounds.count.toLocaleString()} are accepted.` };
  }
  return { ids: found, repeated: found.length - new Set(found).size };
}

// A request's body, of ids as JSON spells them. Made by hand, because JSON.stringify would need numbers.
export const requestBody = (ids, priority) => `{"ids":[${ids.join(",")}],"priority":${JSON.stringify(priority)}}`;

// A fresh idempotency key; randomUUID is there on HTTPS and loopback only.
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
