// How long a text takes on this machine: a button that measures it, and a sentence that says it.

const IMAGES = 1000;
const RUNS = 30;

/**
 * @param {(images: number, runs: number) => Promise<object>} measure
 * @param {() => void} done what happens after each measurement
 */
export function offerMeasurement(measure, done) {
  const button = document.getElementById("measure");
  const said = document.getElementById("measured");
  button.disabled = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = "Measuring\u2026";
    try {
      said.textContent = sentence(await measure(IMAGES, RUNS));
    } catch (error) {
      said.textContent = error.message;
    }
    done();
    button.disabled = false;
  });
}

function sentence({ name, times, heads, encoded }) {
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const written = (value) => `${value.toFixed(1)} ms`;
  const totals = times.map((parts) => parts.reduce((sum, part) => sum + part));
  const [encoder, projection, neighbours] = [0, 1, 2].map((part) => median(times.map((run) => run[part])));
  return (
    `${written(median(totals))} (median of ${totals.length}; slowest ${written(Math.max(...totals))}) for ` +
    `1\u202f000 images \u00d7 ${heads} heads of ${name}: ` +
    (encoded ? `${written(encoder)} for the text encoder, ` : "") +
    `${written(projection)} for the projection on the heads, ${written(neighbours)} for the neighbours.`
  );
}
