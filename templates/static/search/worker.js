// All that takes time: loading, the models, and the analyses; the page itself never waits.
//
// Every method is given its model, and nothing is remembered but what can be computed again: two
// models never mix, and a worker that was lost is replaced by a new one.

import {
  arrange,
  directionsOf,
  imageNeighbours,
  meanContribution,
  nearest,
  normalised,
  products,
  shares,
  summedMap,
  textNeighbours,
  topicMap,
} from "./analyses.js";
import { readRows, rowOf } from "./arrays.js";
import { completions } from "./completions.js";
import { fetchCached, keepResponse, unpack } from "./fetch-cached.js";
import { openImage, pixelsOf, preview } from "./own-image.js";
import { normalise, onWhite, square } from "./preprocess.js";
import { makeTokenizer } from "./tokenizer.js";

const ANSWERS = 64;
const SAMPLE = 64;

/** What files hold: as much as the site has. */
const loaded = new Map();
/** What questions needed: the latest, as many as ANSWERS. */
const answers = new Map();

/** Keeps what a promise gives in a store of at most `most`; a failure is not kept. */
function keep(store, key, make, most = Infinity) {
  const kept = store.get(key);
  if (kept) {
    // The latest comes last, so that the first is the one to forget.
    store.delete(key);
    store.set(key, kept);
    return kept;
  }
  const made = make();
  store.set(key, made);
  made.catch(() => store.delete(key));
  if (store.size > most) store.delete(store.keys().next().value);
  return made;
}

const load = (file, what) =>
  fetchCached(file.address, {
    bytes: file.bytes,
    integrity: file.integrity,
    progress: (done) => postMessage({ progress: { address: file.address, what, done, total: file.bytes } }),
  });

const json = async (file, what) => JSON.parse(new TextDecoder().decode(await unpack(await load(file, what))));

const runtime = ({ script, wasm }) =>
  keep(loaded, "runtime", async () => {
    const what = "ONNX Runtime";
    const [ort, binary] = await Promise.all([importScript(script, what), load(wasm, what).then(unpack)]);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = binary;
    ort.env.logLevel = "error";
    return ort;
  });

async function importScript(script, what) {
  if (script.integrity) {
    // From another host: the bytes that were checked are the ones that run.
    const blob = new Blob([await load(script, what)], { type: "text/javascript" });
    return import(URL.createObjectURL(blob));
  }
  try {
    return await import(script.address);
  } catch (error) {
    throw new Error(`${what} could not be loaded from ${script.address}: ${error.message}`);
  }
}

const session = (model, name, what) =>
  keep(loaded, `session ${model.files[name].address}`, async () => {
    const [ort, content] = await Promise.all([runtime(model.runtime), load(model.files[name], what)]);
    return ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
  });

async function run(model, name, what, feeds) {
  const [ort, made] = await Promise.all([runtime(model.runtime), session(model, name, what)]);
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([key, [type, data, dims]]) => [key, new ort.Tensor(type, data, dims)]),
  );
  return made.run(tensors);
}

/** The facts of a model, from the file that names all its others. */
const open = (source) =>
  keep(loaded, source.address, async () => {
    const model = await json(source, "the model's heads");
    for (const file of Object.values(model.files)) {
      file.address = new URL(file.path, source.address).href;
    }
    const files = { ...model.files, ...source.shared };
    return { ...model, files, runtime: source.runtime, address: source.address };
  });

const rowsOf = (model, key, what) =>
  keep(loaded, `rows ${model.files[key].address}`, async () => readRows(await load(model.files[key], what)));

const coordinates = (model) =>
  keep(loaded, `coordinates ${model.files.coordinates.address}`, async () =>
    arrange(readRows(await load(model.files.coordinates, "the gallery"))),
  );

const embeddings = (model) => rowsOf(model, "image_embeddings", "the gallery");

/** The texts that are stored, with their rows. */
const texts = (model) =>
  keep(loaded, `texts ${model.files.texts.address}`, async () => {
    const stored = (await json(model.files.texts, "the known texts")).map(({ text }) => text);
    return { stored, rows: new Map(stored.map((text, row) => [text, row])) };
  });

const tokenizer = (model) =>
  keep(loaded, `tokenizer ${model.tokenizer.context_length}`, async () => {
    const merges = await unpack(await load(model.files.merges, "the tokenizer"));
    return makeTokenizer(new Uint16Array(merges.slice().buffer), model.tokenizer.context_length);
  });

const reads = (model) => Boolean(model.files.text_encoder && model.tokenizer);

/** The unit embedding [D] of a text by the text encoder. */
async function encodeText(model, text) {
  // The encoder loads while the tokenizer does.
  session(model, "text_encoder", "the text encoder").catch(() => {});
  const row = (await tokenizer(model))(text);
  // Behind the end token nothing has an influence, and the encoder takes any length.
  const used = row.indexOf(model.tokenizer.end_token) + 1;
  const { embedding } = await run(model, "text_encoder", "the text encoder", {
    tokens: ["int64", BigInt64Array.from(row.subarray(0, used), BigInt), [1, used]],
  });
  return embedding.data;
}

/** The unit embedding [D] of a text: the stored one, else by the text encoder. */
const embed = (model, text) =>
  keep(answers, `embedding ${model.address} ${text}`, () => findEmbedding(model, text), ANSWERS);

async function findEmbedding(model, text) {
  const row = (await texts(model)).rows.get(text);
  if (row !== undefined) return rowOf(await rowsOf(model, "text_embeddings", "the known texts"), row);
  if (!reads(model)) {
    throw new Error(
      `\u201c${text}\u201d is not among the known texts of ${model.name}, which has no text encoder ` +
        "here. Choose one from the list that opens as you type.",
    );
  }
  return encodeText(model, text);
}

const lengthOf = (vector) => Math.hypot(...vector);

/** The direction t [D] of a text, or t\u2081 \u2212 t\u2082 of two; its length, and B\u1d40t [H, r]. */
async function direction(model, { text, minus }) {
  const [first, second, basis] = await Promise.all([
    embed(model, text),
    minus ? embed(model, minus) : null,
    rowsOf(model, "basis", "the heads' spaces"),
  ]);
  const vector = second ? first.map((value, d) => value - second[d]) : first;
  return { vector, length: lengthOf(vector), query: products(basis, vector) };
}

/** What the image encoder makes of an image: pixels seen, and its outputs. */
async function encode(model, blob) {
  const loading = session(model, "image_encoder", "the image encoder");
  loading.catch(() => {});
  const bitmap = await openImage(blob);
  const pixels = square(onWhite(pixelsOf(bitmap)), bitmap.width, bitmap.height, model.preprocessing);
  bitmap.close();
  const { mean, std, image_size: size } = model.preprocessing;
  const output = await run(model, "image_encoder", "the image encoder", {
    pixels: ["float32", normalise(pixels, mean, std), [1, 3, size, size]],
  });
  return Object.fromEntries(Object.entries(output).map(([name, tensor]) => [name, tensor.data]));
}

/** A picture of the gallery, kept for when there is no network: a service worker may come later. */
async function pictureOf(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`The picture could not be loaded (${response.status}).`);
  const picture = await response.blob();
  await keepResponse(address, new Response(picture));
  return picture;
}

/** The image that was encoded last, which all answers about it share. */
const seen = new Map();

function encoded(model, image) {
  if (!model.files.image_encoder) {
    throw new Error("This model has no image encoder here; it knows the gallery's images only.");
  }
  const make = async () => {
    if (image.own) return encode(model, image.file);
    return encode(model, await pictureOf(image.address));
  };
  return keep(seen, `${model.address} ${image.own ?? `gallery ${image.index}`}`, make, 1);
}

/**
 * How near the gallery's images are to the nearest other one by the whole model, over a sample of
 * them: what is usual, for an image that is not among them.
 */
const usual = (model) =>
  keep(loaded, `usual ${model.files.image_embeddings.address}`, async () => {
    const rows = await embeddings(model);
    const [images] = rows.shape;
    const step = Math.max(1, Math.floor(images / SAMPLE));
    const found = [];
    for (let image = 0; image < images; image += step) {
      const [near] = nearest(rows, rowOf(rows, image), 1, image);
      if (near) found.push(near.score);
    }
    found.sort((a, b) => a - b);
    return { median: found[found.length >> 1], low: found[Math.floor(found.length / 20)] };
  });

/** Random numbers [n] that are the same each time, in -1 to 1. */
function random(n) {
  let state = 1;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const allHeads = (model) => model.heads.map((_, head) => head);

/** What the page can ask: every method takes the facts of a model, and then its own arguments. */
const methods = {
  open: (model) => model,

  complete: async (model, typed) => completions((await texts(model)).stored, typed),

  /** Opens an image of the visitor's own: its size, and a small picture of what the model sees. */
  take: (model, file) => preview(file, model.preprocessing),

  async text(model, question) {
    const [gallery, images, { vector, length, query }] = await Promise.all([
      coordinates(model),
      embeddings(model),
      direction(model, question),
    ]);
    if (!length) throw new Error("The two texts are the same to the model: there is nothing between them.");
    const begun = performance.now();
    const whole = products(images, vector);
    const rows = textNeighbours(gallery, query, length, whole, allHeads(model), model.neighbours);
    const milliseconds = performance.now() - begun;
    const unit = normalised(vector, vector.length);
    return { rows, milliseconds, whole: nearest(images, unit, model.neighbours) };
  },

  async image(model, image) {
    const [gallery, images] = await Promise.all([coordinates(model), embeddings(model)]);
    const heads = allHeads(model);
    if (!image.own) {
      const { index } = image;
      const own = directionsOf(gallery, index);
      return {
        rows: imageNeighbours(gallery, own, heads, model.neighbours, index),
        whole: nearest(images, rowOf(images, index), model.neighbours, index),
        shares: heads.map((head) => gallery.shares[head * gallery.images + index]),
      };
    }
    const { coordinates: y, contributions, embedding } = await encoded(model, image);
    return {
      rows: imageNeighbours(gallery, normalised(y, gallery.rank), heads, model.neighbours),
      whole: nearest(images, embedding, model.neighbours),
      shares: shares(contributions, embedding),
      usual: await usual(model),
    };
  },

  async property(model, image, { file, heads }) {
    const rows = await rowsOf(model, file, "what a property's heads write");
    if (!image.own) {
      return nearest(rows, rowOf(rows, image.index), model.property_neighbours, image.index);
    }
    const { contributions } = await encoded(model, image);
    return nearest(rows, meanContribution(contributions, heads, model.dimension), model.property_neighbours);
  },

  /**
   * How long a text takes over random images in all heads, in milliseconds per part;
   * `runs` times, after as many that warm up.
   */
  async measure(model, images, runs) {
    const heads = model.heads.length;
    const gallery = {
      directions: random(heads * images * model.rank),
      norms: random(heads * images),
      shares: random(heads * images),
      images,
      heads,
      rank: model.rank,
    };
    const whole = random(images);
    const text = "a photo of a zebra in a field of flowers";
    const given = normalised(random(model.dimension), model.dimension);
    const basis = await rowsOf(model, "basis", "the heads' spaces");
    const times = [];
    for (let number = 0; number < 2 * runs; number += 1) {
      const begun = performance.now();
      const embedding = reads(model) ? await encodeText(model, text) : given;
      const embedded = performance.now();
      const query = products(basis, embedding);
      const projected = performance.now();
      textNeighbours(gallery, query, 1, whole, allHeads(model), model.neighbours);
      const ended = performance.now();
      times.push([embedded - begun, projected - embedded, ended - projected]);
    }
    return { times: times.slice(runs), heads, encoded: reads(model) };
  },

  /** Heat maps of a text on an image in some heads, and the sum of those of all heads. */
  async maps(model, image, question, heads) {
    const [{ patches }, { query }] = await Promise.all([encoded(model, image), direction(model, question)]);
    const { rank, grid } = model;
    const size = patches.length / model.heads.length;
    const maps = heads.map((head) => ({
      head,
      map: topicMap(
        patches.subarray(head * size, (head + 1) * size),
        query.subarray(head * rank, (head + 1) * rank),
      ),
    }));
    return { grid, maps, sum: summedMap(patches, query, rank) };
  },
};

addEventListener("message", async ({ data: { number, method, source, args } }) => {
  try {
    const model = await open(source);
    postMessage({ number, result: await methods[method](model, ...args) });
  } catch (error) {
    // After this WebAssembly answers nothing any more: the page starts another worker.
    const lost = error instanceof WebAssembly.RuntimeError;
    postMessage({ number, error: error.message, lost });
  }
});
