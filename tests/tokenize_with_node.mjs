// Tokenizes the strings of a JSON file with the site's own module:
// node tokenize_with_node.mjs MODULES MERGES STRINGS CONTEXT
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const [modules, file, strings, context] = process.argv.slice(2);
const { clean, makeTokenizer } = await import(pathToFileURL(`${modules}/tokenizer.js`));
const bytes = gunzipSync(readFileSync(file));
const merges = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
const tokenize = makeTokenizer(merges, Number(context));
const texts = JSON.parse(readFileSync(strings, "utf-8"));
console.log(JSON.stringify(texts.map((text) => [clean(text), [...tokenize(text)]])));
