// CLIP's byte-pair tokenizer: the ids of open_clip's SimpleTokenizer, for texts as people type them.

const START = "<start_of_text>";
const END = "<end_of_text>";
const PIECES = new RegExp(
  `${START}|${END}|'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^\\s\\p{L}\\p{N}]+`,
  "gu",
);

// Ligatures, as copied from a PDF, and the forms that East Asian keyboards write.
const FORMS = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06\uff01-\uffee]/g;

/**
 * A text as it is split: plain letters and straight quotes, composed characters, single spaces,
 * lower case. open_clip also repairs damaged encodings and resolves HTML entities, which nobody
 * types.
 */
export const clean = (text) =>
  text
    .replace(FORMS, (form) => form.normalize("NFKC"))
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .normalize("NFC")
    .replace(/\s+/g, " ")
    .trim()
    .toLowerCase();

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
 * @param {number} context length of the rows that it returns
 * @returns {(text: string) => Int32Array} [context]: start, text, end, zeros
 */
export function makeTokenizer(merges, context) {
  const count = merges.length / 2;
  const ranks = new Map();
  for (let rank = 0; rank < count; rank += 1) {
    ranks.set(merges[rank] * 65536 + merges[count + rank], rank);
  }
  const ids = byteIds();
  const start = 512 + count;
  const end = start + 1;
  const utf8 = new TextEncoder();
  const pieces = new Map([
    [START, [start]],
    [END, [end]],
  ]);

  function encodePiece(piece) {
    if (pieces.has(piece)) return pieces.get(piece);
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
    if (pieces.size < 10000) pieces.set(piece, symbols);
    return symbols;
  }

  return (text) => {
    const row = new Int32Array(context);
    row[0] = start;
    let used = 1;
    for (const [piece] of clean(text).matchAll(PIECES)) {
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
