// What links within the page and pictures without a network do here.

/** Links within the page lead there and leave the address alone: its fragment is the question's. */
export function keepFragment() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const target = link && document.getElementById(link.hash.slice(1));
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  });
}

/** A picture that cannot be had, as without a network, says what it shows. */
export function describeLostPictures() {
  document.addEventListener(
    "error",
    ({ target }) => {
      if (!(target instanceof HTMLImageElement)) return;
      const words = document.createElement("span");
      words.className = "gone";
      words.textContent = target.alt;
      target.replaceWith(words);
    },
    true,
  );
}
