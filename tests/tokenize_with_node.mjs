// Tokenizes the strings of a JSON file with the site's own modules:
// node tokenize_with_node.mjs MODULES TABLES STRINGS CONTEXT
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const [modules, folder, strings, context] = process.argv.slice(2);
const { makeTokenizer } = await import(pathToFileURL(`${modules}/tokenizer.js`));
const { makeCleaner } = await import(pathToFileURL(`${modules}/text-cleaning.js`));
const bytes = gunzipSync(readFileSync(`${folder}/merges.bin`));
const merges = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
const tables = JSON.parse(gunzipSync(readFileSync(`${folder}/cleaning.bin`)));
const tokenize = makeTokenizer(merges, tables, Number(context));
const clean = makeCleaner(tables);
const texts = JSON.parse(readFileSync(strings, "utf-8"));
console.log(JSON.stringify(texts.map((text) => [clean(text), [...tokenize(text)]])));
