// Stored texts that go on as what was typed: at their beginning, or at that of one of their words.

const MOST = 12;
const INSIDE_WORD = /[\p{L}\p{N}]$/u;

/** At most MOST of the stored texts, those that begin as typed first. */
export function completions(stored, typed) {
  const wanted = typed.toLowerCase();
  const starts = [];
  const holds = [];
  for (const text of stored) {
    const lower = text.toLowerCase();
    if (lower.startsWith(wanted)) starts.push(text);
    else if (beginsWord(lower, wanted)) holds.push(text);
  }
  return [...starts, ...holds].slice(0, MOST);
}

function beginsWord(text, wanted) {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    if (!INSIDE_WORD.test(text.slice(0, at))) return true;
  }
  return false;
}
