// Cleans a text as open_clip does before it splits it: ftfy.fix_text, html.unescape twice, white
// space, lower case. The tables (mojibake patterns, single-byte encodings, HTML entities) are
// written by the site's generator from the ftfy and Python that it runs with.

// What str.isspace says in Python; \s of JavaScript differs in eight characters.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "gu");
const OUTER_SPACE = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "gu");

const ENTITY = /&#?[0-9A-Za-z]{1,24};/g;
const REFERENCE = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;
const TERMINAL_ESCAPE = /\x1b\[(?:\p{Nd}|;)*[a-zA-Z]/gu;
const CONTROL = /[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
const LINE_BREAK = /\r\n|[\r\u2028\u2029\x85]/g;
const C1 = /[\x80-\x9f]/g;

// Patterns over bytes, written as strings in which a character is a byte.
const ALTERED_UTF8 =
  /[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf]{2}|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf]{2} /g;
const LOSSY_UTF8 =
  /[\xc2-\xdf]\x1a|[\xc2\xc3]\?|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf]{2}|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf]{2}[\x1a?]|\x1a/g;
const A_GRAVE_WORD = /\xc3 (?! |quele|quela|quilo|s )/g;
const SPECIAL_BYTES =
  /\xc0(?:\x80|$)|\xed(?:[\xa0-\xaf]|$)(?:[\x80-\xbf]|$)(?:\xed|$)(?:[\xb0-\xbf]|$)(?:[\x80-\xbf]|$)|\xed(?:[\xa0-\xbf]|$)(?:[\x80-\xbf]|$)/;
const CESU8 =
  /^\xed(?:[\xa0-\xaf]|$)(?:[\x80-\xbf]|$)(?:\xed|$)(?:[\xb0-\xbf]|$)(?:[\x80-\xbf]|$)/;
const REPLACEMENT_BYTES = "\xef\xbf\xbd";

/** The function text -> cleaned text, from the tables that the generator wrote. */
export function makeCleaner(tables) {
  const bad = new RegExp(tables.badness, "u");
  const embedded = new RegExp(tables.mojibake, "gu");
  const entities = new Map(Object.entries(tables.entities));
  const fixedEntities = new Map([...entities, ...Object.entries(tables.upperEntities)]);
  const characters = new Map(Object.entries(tables.characters));
  const replaced = new RegExp(`[${[...characters.keys()].join("")}]`, "gu");
  const badReferences = new Map(Object.entries(tables.badReferences));
  const noReferences = new Set(tables.noReferences);
  const encodings = tables.encodings.map(({ name, characters: table }) => ({
    name,
    sloppy: name.startsWith("sloppy"),
    codes: new Map([...table].map((character, byte) => [character, byte])),
  }));
  const windows1252 = [...tables.encodings.find(({ name }) => name === "sloppy-windows-1252").characters];
  const assigned1252 = new Set(tables.assigned1252);
  // What Python's version of Unicode does not have is left alone: it has no case there, and
  // composes with nothing.
  const known = new RegExp(`[^${tables.unassigned}]+`, "gu");

  const fromC1 = (text) => text.replace(C1, (character) => windows1252[character.charCodeAt(0)]);

  function codePoint(digits, base) {
    // More digits than this are beyond Unicode, whatever they are.
    const stripped = digits.replace(/^0+(?=.)/, "");
    const number = stripped.length > 8 ? Infinity : parseInt(stripped, base);
    if (badReferences.has(String(number))) return badReferences.get(String(number));
    if ((number >= 0xd800 && number <= 0xdfff) || number > 0x10ffff) return "\ufffd";
    return noReferences.has(number) ? "" : String.fromCodePoint(number);
  }

  function unescapeReference(whole, body) {
    if (body[0] === "#") {
      const hexadecimal = body[1] === "x" || body[1] === "X";
      return codePoint(body.slice(hexadecimal ? 2 : 1).replace(";", ""), hexadecimal ? 16 : 10);
    }
    if (entities.has(body)) return entities.get(body);
    const points = [...body];
    for (let length = points.length - 1; length > 1; length -= 1) {
      const name = points.slice(0, length).join("");
      if (entities.has(name)) return entities.get(name) + points.slice(length).join("");
    }
    return whole;
  }

  const unescape = (text) => (text.includes("&") ? text.replace(REFERENCE, unescapeReference) : text);

  function unescapeEntity(entity) {
    const name = entity.slice(1);
    if (fixedEntities.has(name)) return fixedEntities.get(name);
    if (!entity.startsWith("&#")) return entity;
    const plain = unescape(entity);
    return plain.includes(";") ? entity : plain;
  }

  function encode(text, encoding) {
    let bytes = "";
    for (const character of text) {
      const byte = encoding.codes.get(character);
      if (byte === undefined) return null;
      bytes += String.fromCharCode(byte);
    }
    return bytes;
  }

  /** One step towards the text that was meant; the text itself if it looks right. */
  function fixEncodingOnce(text) {
    if (/^[\x00-\x7f]*$/.test(text) || !bad.test(text)) return text;
    let latin1 = false;
    for (const encoding of encodings) {
      let bytes = encode(text, encoding);
      if (bytes === null) continue;
      latin1 ||= encoding.name === "latin-1";
      if (encoding.name !== "macroman" && bytes.search(ALTERED_UTF8) >= 0) {
        bytes = bytes
          .replace(A_GRAVE_WORD, "\xc3\xa0 ")
          .replace(ALTERED_UTF8, (match) => match.replaceAll(" ", "\xa0"));
      }
      if (encoding.sloppy) bytes = bytes.replace(LOSSY_UTF8, REPLACEMENT_BYTES);
      const decoded = /[\xed\xc0]/.test(bytes) ? decodeVariants(bytes) : decodeUtf8(bytes);
      if (decoded !== null) return decoded;
    }
    const pieces = text.replace(embedded, (piece) =>
      piece.length < text.length && bad.test(piece) ? fixEncoding(piece) : piece,
    );
    if (pieces !== text) return pieces;
    if (latin1) {
      const found = text.match(C1) ?? [];
      if (found.every((character) => assigned1252.has(character.charCodeAt(0)))) {
        const fixed = fromC1(text);
        if (fixed !== text) return fixed;
      }
    }
    return fromC1(text);
  }

  function fixEncoding(text) {
    for (;;) {
      const fixed = fixEncodingOnce(text);
      if (fixed === text) return text;
      text = fixed;
    }
  }

  function fixSegment(segment, unescapes) {
    for (let text = segment; ; ) {
      const before = text;
      if (unescapes) text = text.replace(ENTITY, unescapeEntity);
      text = fromC1(fixEncoding(text))
        .replace(replaced, (character) => characters.get(character))
        .replace(LINE_BREAK, "\n")
        .toWellFormed()
        .replace(TERMINAL_ESCAPE, "")
        .replace(CONTROL, "")
        .replace(known, (part) => part.normalize("NFC"));
      if (text === before) return text;
    }
  }

  function fixText(text) {
    let unescapes = true;
    return (text.match(/[^\n]*\n|[^\n]+$/g) ?? [])
      .map((segment) => {
        // A line with "<" is taken for HTML, and so is everything after it.
        unescapes &&= !segment.includes("<");
        return fixSegment(segment, unescapes);
      })
      .join("");
  }

  return (text) =>
    unescape(unescape(fixText(text)))
      .replace(SPACES, " ")
      .replace(OUTER_SPACE, "")
      .replace(known, (part) => part.toLowerCase());
}

function decodeUtf8(bytes) {
  try {
    const array = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(array);
  } catch {
    return null;
  }
}

/** UTF-8 in which surrogates may be encoded one by one (CESU-8) and U+0000 as C0 80 (Java). */
function decodeVariants(bytes) {
  let text = "";
  while (bytes) {
    const found = bytes.search(SPECIAL_BYTES);
    let piece;
    let used;
    if (found !== 0) {
      used = found < 0 ? bytes.length : found;
      piece = decodeUtf8(bytes.slice(0, used));
    } else if (bytes[0] === "\xc0" && bytes.length > 1) {
      used = 2;
      piece = "\0";
    } else if (bytes.length >= 6 && CESU8.test(bytes)) {
      const [, b1, b2, , b4, b5] = Array.from(bytes.slice(0, 6), (c) => c.charCodeAt(0));
      used = 6;
      piece = String.fromCodePoint(
        ((b1 & 0x0f) << 16) + ((b2 & 0x3f) << 10) + ((b4 & 0x0f) << 6) + (b5 & 0x3f) + 0x10000,
      );
    } else {
      used = bytes.length < 6 ? bytes.length : 3;
      piece = decodeUtf8(bytes.slice(0, used));
    }
    if (piece === null) return null;
    text += piece;
    bytes = bytes.slice(used);
  }
  return text;
}
