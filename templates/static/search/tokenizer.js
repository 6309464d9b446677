// CLIP's byte-pair tokenizer: the same ids as open_clip's SimpleTokenizer for any text.

import { makeCleaner } from "./text-cleaning.js";

const START = "<start_of_text>";
const END = "<end_of_text>";

// Each character with what it is equal to where case does not count. Written out instead of the
// flag i, which would make the combining iota a letter; the long s is the one character outside
// ASCII that counts as a letter of these words.
const anyCase = (word) =>
  word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}${letter === "s" ? "ſ" : ""}]`);

function piecePattern({ letters, numbers }) {
  const words = [START, END, "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map(anyCase).join("|");
  // open_clip's own pattern matches no combining iota (U+0345), so that none is left over.
  return new RegExp(
    `${words}|[${letters}]+|[${numbers}]|[^\\s\\u0345${letters}${numbers}]+`,
    "gu",
  );
}

/** Ids of bytes: those that print come first, as in CLIP's vocabulary. */
function byteIds() {
  const printing = [];
  const others = [];
  for (let byte = 0; byte < 256; byte += 1) {
    const prints = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    (prints ? printing : others).push(byte);
  }
  const ids = new Uint16Array(256);
  [...printing, ...others].forEach((byte, id) => (ids[byte] = id));
  return ids;
}

/**
 * The tokenizer of a merge list.
 *
 * @param {Uint16Array} merges [2 n]: first symbols of all merges, then their second symbols, the
 *   merge of rank k making the symbol 512 + k; 0...255 are bytes, 256...511 bytes that end a word
 * @param {object} tables of text-cleaning.js
 * @param {number} context length of the rows that it returns
 * @returns {(text: string) => Int32Array} [context]: start, text, end, zeros
 */
export function makeTokenizer(merges, tables, context) {
  const count = merges.length / 2;
  const ranks = new Map();
  for (let rank = 0; rank < count; rank += 1) {
    ranks.set(merges[rank] * 65536 + merges[count + rank], rank);
  }
  const clean = makeCleaner(tables);
  const pieces = piecePattern(tables);
  const ids = byteIds();
  const start = 512 + count;
  const end = start + 1;
  const utf8 = new TextEncoder();
  const known = new Map([
    [START, [start]],
    [END, [end]],
  ]);

  function encodePiece(piece) {
    if (known.has(piece)) return known.get(piece);
    const symbols = Array.from(utf8.encode(piece), (byte) => ids[byte]);
    symbols[symbols.length - 1] += 256;
    while (symbols.length > 1) {
      let best = Infinity;
      for (let i = 0; i + 1 < symbols.length; i += 1) {
        const rank = ranks.get(symbols[i] * 65536 + symbols[i + 1]);
        if (rank < best) best = rank;
      }
      if (best === Infinity) break;
      const first = merges[best];
      const second = merges[count + best];
      let kept = 0;
      for (let i = 0; i < symbols.length; i += 1) {
        const joins = symbols[i] === first && symbols[i + 1] === second;
        symbols[kept] = joins ? 512 + best : symbols[i];
        kept += 1;
        if (joins) i += 1;
      }
      symbols.length = kept;
    }
    if (known.size < 10000) known.set(piece, symbols);
    return symbols;
  }

  return (text) => {
    const row = new Int32Array(context);
    row[0] = start;
    let used = 1;
    for (const [piece] of clean(text).matchAll(pieces)) {
      for (const id of encodePiece(piece)) {
        if (used < context) row[used] = id;
        used += 1;
      }
      if (used >= context) break;
    }
    row[Math.min(used, context - 1)] = end;
    return row;
  };
}
