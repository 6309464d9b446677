// What is asked, in the page's address: every state can be shared, and back and forward work.

const FIELDS = ["model", "heads", "text", "minus", "image"];

/** A picture of the visitor's own, which no address can hold. */
export const OWN = "own";

/** The question that an address asks; fields that it does not name are empty. */
export function readAddress(search) {
  const given = new URLSearchParams(search);
  return Object.fromEntries(FIELDS.map((field) => [field, given.get(field) ?? ""]));
}

/** The query string of a question, without what is empty. */
export function writeAddress(question) {
  const given = new URLSearchParams();
  for (const field of FIELDS) if (question[field]) given.set(field, question[field]);
  const written = given.toString();
  return written ? `?${written}` : "";
}
