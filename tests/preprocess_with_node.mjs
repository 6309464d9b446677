// Preprocesses the raw images that a JSON file lists with the site's own module:
// node preprocess_with_node.mjs MODULES LIST; writes <raw file>.square and <raw file>.floats
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, list] = process.argv.slice(2);
const { onWhite, square, normalise } = await import(pathToFileURL(`${modules}/preprocess.js`));
for (const { file, width, height, settings } of JSON.parse(readFileSync(list, "utf-8"))) {
  const pixels = square(onWhite(readFileSync(file)), width, height, settings);
  writeFileSync(`${file}.square`, pixels);
  writeFileSync(`${file}.floats`, normalise(pixels, settings.mean, settings.std));
}
