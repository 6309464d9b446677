// One bar for all files that a question loads.

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** The bar of an element that holds a label and a progress. */
export function progressBar(element) {
  const files = new Map();
  const bar = element.querySelector("progress");
  const label = element.querySelector("label");

  return {
    show(file) {
      files.set(file.address, file);
      const all = [...files.values()];
      const done = all.reduce((sum, file) => sum + file.done, 0);
      const total = all.reduce((sum, file) => sum + Math.max(file.total, file.done), 0);
      const loading = new Set(all.filter((file) => file.done < file.total).map(({ what }) => what));
      element.hidden = false;
      bar.max = total;
      bar.value = done;
      const what = [...loading].join(", ");
      label.textContent = `Loading${what && ` ${what}`}: ${megabytes(done)} of ${megabytes(total)} MB`;
    },
    clear() {
      files.clear();
      element.hidden = true;
    },
  };
}
