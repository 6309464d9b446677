// The left and right arrow keys go to the previous and next page of a series.
document.addEventListener("keydown", (event) => {
  const ways = { ArrowLeft: "prev", ArrowRight: "next" };
  const way = ways[event.key];
  if (!way || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  // Boxes that scroll keep the keys for scrolling.
  if (event.target.closest("input, select, textarea, [tabindex='0']")) return;
  const link = document.querySelector(`a[rel="${way}"]`);
  if (link) location.href = link.href;
});
