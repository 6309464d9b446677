// Where the reader was on the page. Answers come after a browser has put a page back to where it
// was left, so the page does that itself: the position is kept in the history entry.

const PAUSE = 100; // milliseconds; browsers limit how often an entry may be written

let timer = 0;

/** Writes the position into the current history entry. */
export function keepPosition() {
  clearTimeout(timer);
  history.replaceState({ ...history.state, y: scrollY }, "");
}

/** The position of the current history entry; undefined if it was never left. */
export const position = () => history.state?.y;

export function followPosition() {
  history.scrollRestoration = "manual";
  addEventListener("scroll", () => {
    clearTimeout(timer);
    timer = setTimeout(keepPosition, PAUSE);
  });
  addEventListener("pagehide", keepPosition);
}
