// Runs a function of the site's own analyses: node analyse_with_node.mjs MODULES CASES; a case is
// {images, heads, rank, directions, norms, query, length, whole}; prints the shares of its heads.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, cases] = process.argv.slice(2);
const { textNeighbours } = await import(pathToFileURL(`${modules}/analyses.js`));
const found = JSON.parse(readFileSync(cases, "utf-8")).map((given) => {
  const heads = Array.from({ length: given.heads }, (_, head) => head);
  const coordinates = {
    ...given,
    directions: Float32Array.from(given.directions),
    norms: Float32Array.from(given.norms),
  };
  const query = Float32Array.from(given.query);
  const whole = Float32Array.from(given.whole);
  return textNeighbours(coordinates, query, given.length, whole, heads, 8).map(({ share }) => share);
});
console.log(JSON.stringify(found));
