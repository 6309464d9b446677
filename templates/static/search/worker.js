// All that takes time: loading, the models, and the analyses; the page itself never waits.

import {
  arrange,
  contrastMap,
  directionsOf,
  imageNeighbours,
  meanContribution,
  normalised,
  propertyNeighbours,
  shares,
  textNeighbours,
  topicMap,
} from "./analyses.js";
import { readRows, rowOf } from "./arrays.js";
import { fetchCached, unpack } from "./fetch-cached.js";
import { openImage, pixelsOf } from "./own-image.js";
import { normalise, onWhite, square } from "./preprocess.js";
import { makeTokenizer } from "./tokenizer.js";

const NEIGHBOURS = 8;
const PROPERTY_NEIGHBOURS = 4;
const COMPLETIONS = 12;

const kept = new Map();

/** Keeps what was once loaded; a failure is not kept. */
function once(key, make) {
  if (!kept.has(key)) {
    const made = make();
    kept.set(key, made);
    made.catch(() => kept.delete(key));
  }
  return kept.get(key);
}

function load(file, what) {
  return once(file.address, () =>
    fetchCached(file.address, {
      bytes: file.bytes,
      integrity: file.integrity,
      progress: (done) => postMessage({ progress: [what, done, file.bytes] }),
    }),
  );
}

const json = async (file, what) => JSON.parse(new TextDecoder().decode(await unpack(await load(file, what))));

function runtime({ script, wasm }) {
  return once("runtime", async () => {
    const what = "the program that runs models";
    let address = script.address;
    if (script.integrity) {
      // From another host: the bytes that were checked are the ones that run.
      const blob = new Blob([await load(script, what)], { type: "text/javascript" });
      address = URL.createObjectURL(blob);
    }
    const [ort, binary] = await Promise.all([import(address), load(wasm, what)]);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = binary;
    ort.env.logLevel = "error";
    return ort;
  });
}

function session(model, name, what) {
  const file = model.files[name];
  return once(`session ${file.address}`, async () => {
    const [ort, content] = await Promise.all([runtime(model.runtime), load(file, what)]);
    return ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
  });
}

async function run(model, name, what, feeds) {
  const ort = await runtime(model.runtime);
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([key, [type, data, dims]]) => [key, new ort.Tensor(type, data, dims)]),
  );
  return (await session(model, name, what)).run(tensors);
}

let model = null;

/** The facts of a model, and where its files are. */
async function open(file) {
  model = await json(file, "the model's heads");
  model.runtime = file.runtime;
  for (const each of Object.values(model.files)) {
    each.address = new URL(each.path, file.address).href;
  }
  model.files = { ...model.files, ...file.shared };
  return model;
}

const rowsOf = (key, what) =>
  once(`rows ${model.files[key].address}`, async () => readRows(await load(model.files[key], what)));

const coordinates = () =>
  once(`arranged ${model.files.coordinates.address}`, async () =>
    arrange(await rowsOf("coordinates", "the gallery")),
  );

/** The known texts, with their places by their lower case. */
const texts = () =>
  once(`texts ${model.files.texts.address}`, async () => {
    const known = (await json(model.files.texts, "the known texts")).map(({ text }) => text);
    return { known, places: new Map(known.map((text, place) => [text, place])) };
  });

const tokenizer = () =>
  once(`tokenizer ${model.tokenizer.context_length}`, async () => {
    const [merges, tables] = await Promise.all([
      load(model.files.merges, "the tokenizer").then(unpack),
      json(model.files.cleaning, "the tokenizer"),
    ]);
    const pairs = new Uint16Array(merges.slice().buffer);
    return makeTokenizer(pairs, tables, model.tokenizer.context_length);
  });

const reads = () => Boolean(model.files.text_encoder && model.tokenizer);

/** The unit embedding [D] of a text by the text encoder. */
async function encodeText(text) {
  const row = (await tokenizer())(text);
  // Behind the end token nothing has an influence, and the encoder takes any length.
  const used = row.indexOf(model.tokenizer.end_token) + 1;
  const { embedding } = await run(model, "text_encoder", "the text encoder", {
    tokens: ["int64", BigInt64Array.from(row.subarray(0, used), BigInt), [1, used]],
  });
  return embedding.data;
}

async function project(embedding) {
  const { queries } = await run(model, "projections", "the heads' projections", {
    text: ["float32", embedding, [1, model.dimension]],
  });
  return queries.data;
}

/** The unit embedding [D] of a text: stored if it is known, else by the text encoder. */
const embed = (text) => once(`embedding ${model.name} ${text}`, () => findEmbedding(text));

async function findEmbedding(text) {
  const place = (await texts()).places.get(text);
  if (place !== undefined) return rowOf(await rowsOf("text_embeddings", "the known texts"), place);
  if (!reads()) throw new Error("This model has no text encoder here; choose one of its known texts.");
  return encodeText(text);
}

/** Bᵀt [H, r] of a text. */
const query = (text) =>
  once(`query ${model.name} ${text}`, async () => project(await embed(text)));

/** What the image encoder makes of the image that was asked last. */
let seen = null;

async function encodeImage(key, blob) {
  if (seen?.key === `${model.name} ${key}`) return seen;
  const bitmap = await openImage(await blob());
  const pixels = square(onWhite(pixelsOf(bitmap)), bitmap.width, bitmap.height, model.preprocessing);
  bitmap.close();
  const { mean, std, image_size: size } = model.preprocessing;
  const output = await run(model, "image_encoder", "the image encoder", {
    pixels: ["float32", normalise(pixels, mean, std), [1, 3, size, size]],
  });
  seen = { key: `${model.name} ${key}`, pixels };
  for (const [name, tensor] of Object.entries(output)) seen[name] = tensor.data;
  return seen;
}

let own = { key: "", file: null };

function encoded(image) {
  if (!model.files.image_encoder) {
    throw new Error("This model has no image encoder here; it knows the gallery's images only.");
  }
  if (image.own) return encodeImage(own.key, async () => own.file);
  return encodeImage(image.place, async () => {
    const response = await fetch(image.address);
    if (!response.ok) throw new Error(`The picture could not be loaded (${response.status}).`);
    return response.blob();
  });
}

/** The gallery's images nearest to a unit embedding [D] by the whole model. */
async function wholeNeighbours(embedding, except) {
  const rows = await rowsOf("image_embeddings", "the gallery");
  return propertyNeighbours(rows, embedding, NEIGHBOURS, except);
}

/** Random numbers [n] that are the same each time, in -1 to 1. */
function random(n) {
  let state = 1;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const allHeads = () => model.heads.map((_, head) => head);

const methods = {
  open,

  async complete(typed) {
    const wanted = typed.toLowerCase();
    const { known } = await texts();
    const starts = known.filter((text) => text.toLowerCase().startsWith(wanted));
    const holds = known.filter((text) => text.toLowerCase().indexOf(wanted) > 0);
    return [...starts, ...holds].slice(0, COMPLETIONS);
  },

  /** Whether the model can be asked a text. */
  async knows(text) {
    return reads() || (await texts()).places.has(text);
  },

  /** Takes an image of the visitor's own and gives a picture of it to show. */
  async take(file, key) {
    const bitmap = await openImage(file);
    own = { key, file };
    return bitmap;
  },

  async text(text) {
    const [gallery, asked] = await Promise.all([coordinates(), query(text)]);
    const begun = performance.now();
    const rows = textNeighbours(gallery, asked, allHeads(), NEIGHBOURS);
    const milliseconds = performance.now() - begun;
    return { rows, milliseconds, whole: await wholeNeighbours(await embed(text)) };
  },

  async image(image) {
    const gallery = await coordinates();
    if (!image.own) {
      const own = directionsOf(gallery, image.place);
      return {
        rows: imageNeighbours(gallery, own, allHeads(), NEIGHBOURS, image.place),
        whole: await wholeNeighbours(
          rowOf(await rowsOf("image_embeddings", "the gallery"), image.place),
          image.place,
        ),
        shares: allHeads().map((head) => gallery.shares[head * gallery.images + image.place]),
      };
    }
    const { coordinates: y, contributions, embedding } = await encoded(image);
    const rows = imageNeighbours(gallery, normalised(y, gallery.rank), allHeads(), NEIGHBOURS);
    return { rows, shares: shares(contributions, embedding), whole: await wholeNeighbours(embedding) };
  },

  async property(image, { file, heads }) {
    const rows = await rowsOf(file, "what a property's heads write");
    if (!image.own) {
      return propertyNeighbours(rows, rowOf(rows, image.place), PROPERTY_NEIGHBOURS, image.place);
    }
    const { contributions } = await encoded(image);
    const own = meanContribution(contributions, heads, model.dimension);
    return propertyNeighbours(rows, own, PROPERTY_NEIGHBOURS);
  },

  /**
   * How long a text takes over random images in all heads, in milliseconds for each of its parts;
   * `runs` times, after as many that warm up.
   */
  async measure(images, runs) {
    const heads = model.heads.length;
    const gallery = {
      directions: random(heads * images * model.rank),
      norms: random(heads * images),
      shares: random(heads * images),
      images,
      heads,
      rank: model.rank,
    };
    const text = "a photo of a zebra in a field of flowers";
    const known = normalised(random(model.dimension), model.dimension);
    const times = [];
    for (let number = 0; number < 2 * runs; number += 1) {
      const begun = performance.now();
      const embedding = reads() ? await encodeText(text) : known;
      const embedded = performance.now();
      const asked = await project(embedding);
      const projected = performance.now();
      textNeighbours(gallery, asked, allHeads(), NEIGHBOURS);
      const ended = performance.now();
      times.push([embedded - begun, projected - embedded, ended - projected]);
    }
    return { times: times.slice(runs), heads, encoded: reads() };
  },

  /** Heat maps of a text on an image in some heads; with a second text, one over all heads. */
  async maps(image, text, minus, heads) {
    const { patches } = await encoded(image);
    const { rank, grid } = model;
    const first = await query(text);
    if (minus) return { grid, contrast: contrastMap(patches, first, await query(minus), rank) };
    const size = patches.length / model.heads.length;
    const maps = heads.map((head) => ({
      head,
      map: topicMap(
        patches.subarray(head * size, (head + 1) * size),
        first.subarray(head * rank, (head + 1) * rank),
      ),
    }));
    return { grid, maps };
  },
};

addEventListener("message", async ({ data: { number, method, args } }) => {
  try {
    postMessage({ number, result: await methods[method](...args) });
  } catch (error) {
    postMessage({ number, error: error.message });
  }
});
