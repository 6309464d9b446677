// The question in the page's address: every state can be shared, and back and forward work. It
// stands in the fragment, which stays in the browser.

const FIELDS = ["model", "heads", "text", "minus", "image"];

/** A picture of the visitor's own, which no address can hold. */
export const OWN = "own";

/** The question that a fragment holds; fields that it does not name are empty. */
export function readAddress(fragment) {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  return Object.fromEntries(FIELDS.map((field) => [field, given.get(field) ?? ""]));
}

/** The fragment of a question, without what is empty. */
export function writeAddress(question) {
  const given = new URLSearchParams();
  for (const field of FIELDS) if (question[field]) given.set(field, question[field]);
  const written = given.toString();
  return written ? `#${written}` : "";
}
