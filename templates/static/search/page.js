// The search page: reads the question from the form and the address, asks the worker, and shows
// what it answers.

import { OWN, readAddress, writeAddress } from "./address.js";
import { combobox } from "./combobox.js";
import { startEngine } from "./engine.js";
import { CACHE } from "./fetch-cached.js";
import { MAX_BYTES } from "./own-image.js";
import { results } from "./results.js";

const form = document.getElementById("ask");
const site = JSON.parse(form.dataset.site);
const fields = form.elements;
const status = document.getElementById("status");
const progress = document.getElementById("progress");
const output = document.getElementById("results");
const preview = document.getElementById("preview");
const gallery = document.getElementById("gallery");
const problem = document.getElementById("problem");

let model = null;
let ownPicture = null;
let ownNumber = 0;
let run = 0;
/** The address of the question that was asked last. */
let asked = "";

const engine = startEngine((what, done, total) => {
  progress.hidden = false;
  const bar = progress.querySelector("progress");
  bar.max = total;
  bar.value = done;
  progress.querySelector("label").textContent =
    `Loading ${what}: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
  if (done >= total) progress.hidden = true;
});

const say = (text) => (status.textContent = text);

function complain(message) {
  problem.textContent = message;
  problem.hidden = !message;
}

const addressOf = (path) => new URL(path, location.href).href;
const withAddresses = (files) =>
  Object.fromEntries(
    Object.entries(files).map(([key, file]) => [key, { ...file, address: addressOf(file.path) }]),
  );

/** Loads a model's facts, and keeps the page for when there is no network. */
async function open(name) {
  keepOffline();
  const chosen = site.models.find((each) => each.name === name) ?? site.models[0];
  if (model?.name === chosen.name) return model;
  const file = {
    ...chosen,
    address: addressOf(chosen.path),
    runtime: withAddresses(site.runtime),
    shared: withAddresses(site.shared),
  };
  const opened = await engine("open", file);
  model = opened;
  fillHeads();
  gallery.querySelector("ul").replaceChildren();
  if (gallery.open) showGallery();
  document.getElementById("text-note").textContent = model.files.text_encoder && model.tokenizer
    ? "Any text: the model's text encoder runs in your browser."
    : "This model has no text encoder in the browser: choose one of its known texts.";
  document.getElementById("own").hidden = !model.files.image_encoder;
  document.getElementById("no-own").hidden = Boolean(model.files.image_encoder);
  return model;
}

let offline = false;
function keepOffline() {
  if (offline || !("serviceWorker" in navigator)) return;
  offline = true;
  // Where it may not be registered the page works all the same, as long as there is a network.
  navigator.serviceWorker.register("sw.js").catch(() => {});
}

/** Keeps the pictures that are shown, as the service worker keeps those that come later. */
async function keepShown() {
  if (!("serviceWorker" in navigator) || !globalThis.caches) return;
  await navigator.serviceWorker.ready;
  const cache = await caches.open(CACHE);
  for (const { src } of output.querySelectorAll("img")) {
    if (!(await cache.match(src))) await cache.add(src).catch(() => {});
  }
}

/** Chooses what a value names, or the first choice if it names none. */
function choose(select, value) {
  select.value = value;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

function fillHeads() {
  const chosen = fields.heads.value;
  const option = (value, text) => new Option(text, value);
  const group = (label, options) => {
    const made = document.createElement("optgroup");
    made.label = label;
    made.append(...options);
    return made;
  };
  fields.heads.replaceChildren(
    option("", `all ${model.heads.length} heads`),
    group("Heads of a property", model.properties.map(({ name, slug }) => option(`property:${slug}`, name))),
    group(
      "One head",
      model.heads.map(({ id, label }) => option(id, label ? `${id} ${label}` : id)),
    ),
  );
  choose(fields.heads, chosen);
}

/** Places of the heads that are chosen. */
function chosenHeads(value) {
  const all = model.heads.map((_, place) => place);
  if (value.startsWith("property:")) {
    return model.properties.find(({ slug }) => `property:${slug}` === value)?.heads ?? all;
  }
  const place = model.heads.findIndex(({ id }) => id === value);
  return place < 0 ? all : [place];
}

function galleryImage(id) {
  const place = model.images.findIndex((image) => image.id === id);
  return place < 0
    ? null
    : { place, address: addressOf(`../gallery/${id}.webp`), own: false };
}

function readForm() {
  return {
    model: fields.model.value,
    heads: fields.heads.value,
    text: fields.text.value.trim(),
    minus: fields.minus.value.trim(),
    image: fields.image.value,
  };
}

/** Answers a question; a later one takes over. */
async function ask(question) {
  const mine = (run += 1);
  const stale = () => mine !== run;
  complain("");
  if (!question.text && !question.image) {
    output.replaceChildren();
    say("");
    if (question.model && question.model !== site.models[0].name) await open(question.model);
    return;
  }
  say("Searching…");
  form.setAttribute("aria-busy", "true");
  try {
    await open(question.model);
    if (stale()) return;
    choose(fields.heads, question.heads);
    const missing = [];
    for (const text of [question.text, question.minus].filter(Boolean)) {
      if (!(await engine("knows", text))) missing.push(text);
    }
    if (missing.length) {
      throw new Error(
        `“${missing[0]}” is not among the known texts of ${model.name}, which has no text encoder ` +
          "here. Choose one from the list that opens as you type.",
      );
    }
    const image = question.image === OWN ? ownPicture && { own: true } : galleryImage(question.image);
    if (question.image === OWN && !ownPicture) {
      complain(
        "This address was made with an image that stayed on its owner's computer. " +
          "Choose an image of your own, or one of the gallery.",
      );
    } else if (question.image && !image) {
      complain(`The gallery has no image named ${question.image}.`);
    }
    showPreview(question.image);
    await results({
      engine,
      model,
      question,
      image,
      picture: () => (image?.own ? squareOf(ownPicture) : null),
      heads: chosenHeads(question.heads),
      output,
      say,
      stale,
    });
    keepShown().catch(() => {});
  } catch (error) {
    if (!stale()) {
      output.replaceChildren();
      say("");
      complain(error.message);
    }
  } finally {
    if (!stale()) {
      form.removeAttribute("aria-busy");
      progress.hidden = true;
    }
  }
}

/** Asks what the form says, under an address of its own. */
function commit() {
  const question = readForm();
  if (question.model === site.models[0].name && site.models.length === 1) question.model = "";
  const address = writeAddress(question) || location.pathname;
  if (address !== location.search) history.pushState(null, "", address);
  asked = location.search;
  return ask(question);
}

function fromAddress() {
  asked = location.search;
  const question = readAddress(location.search);
  choose(fields.model, question.model || site.models[0].name);
  fields.text.value = question.text;
  fields.minus.value = question.minus;
  fields.image.value = question.image;
  // The heads of another model are listed once it is open.
  if (![...fields.heads.options].some(({ value }) => value === question.heads)) {
    fields.heads.append(new Option(question.heads, question.heads));
  }
  fields.heads.value = question.heads;
  showPreview(question.image);
  return ask(question);
}

/** The centred square of a bitmap, which is what the model sees, as a canvas. */
function squareOf(bitmap, side = 240) {
  const canvas = document.createElement("canvas");
  canvas.width = side;
  canvas.height = side;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Your image");
  const edge = Math.min(bitmap.width, bitmap.height);
  const left = (bitmap.width - edge) / 2;
  const topEdge = (bitmap.height - edge) / 2;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.drawImage(bitmap, left, topEdge, edge, edge, 0, 0, side, side);
  return canvas;
}

function showPreview(image) {
  const holder = preview.querySelector(".thumb");
  preview.hidden = !image || (image === OWN && !ownPicture);
  if (preview.hidden) return;
  const title = preview.querySelector("figcaption span");
  if (image === OWN) {
    holder.replaceChildren(squareOf(ownPicture));
    title.textContent = "Your image";
    return;
  }
  const picture = new Image(240, 240);
  picture.src = `../gallery/small/${encodeURIComponent(image)}.webp`;
  picture.alt = "";
  holder.replaceChildren(picture);
  title.textContent = model?.images.find(({ id }) => id === image)?.title ?? image;
}

async function takeFile(file) {
  complain("");
  if (!file) return;
  try {
    await open(fields.model.value);
    if (!model.files.image_encoder) {
      throw new Error(`${model.name} has no image encoder here; choose an image of the gallery.`);
    }
    ownNumber += 1;
    ownPicture = await engine("take", file, `own ${ownNumber}`);
    fields.image.value = OWN;
    await commit();
  } catch (error) {
    say("");
    complain(error.message);
  }
}

function showGallery() {
  const list = gallery.querySelector("ul");
  if (list.children.length || !model) return;
  list.append(
    ...model.images.map(({ id, title }) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "thumb";
      button.dataset.image = id;
      const picture = new Image(240, 240);
      picture.loading = "lazy";
      picture.alt = title;
      picture.src = `../gallery/small/${encodeURIComponent(id)}.webp`;
      button.append(picture);
      item.append(button);
      return item;
    }),
  );
}

function listen() {
  for (const name of ["text", "minus"]) {
    const complete = async (typed) => {
      await open(fields.model.value);
      return engine("complete", typed);
    };
    combobox(fields[name], (typed) => complete(typed).catch(() => []), commit);
  }
  fields.heads.addEventListener("change", commit);
  fields.model.addEventListener("change", commit);
  // Its heads are listed when they are wanted, not before.
  fields.heads.addEventListener("focus", () => open(fields.model.value).catch(() => {}));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    commit();
  });
  fields.file.addEventListener("change", () => {
    takeFile(fields.file.files[0]);
    fields.file.value = "";
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (file) {
      event.preventDefault();
      takeFile(file);
    }
  });
  const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    form.classList.add("receives");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("receives");
  });
  document.addEventListener("drop", (event) => {
    form.classList.remove("receives");
    if (!holdsFile(event)) return;
    event.preventDefault();
    takeFile(event.dataTransfer.files[0]);
  });
  gallery.addEventListener("toggle", async () => {
    if (!gallery.open) return;
    try {
      await open(fields.model.value);
      showGallery();
    } catch (error) {
      complain(error.message);
    }
  });
  gallery.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-image]");
    if (!button) return;
    fields.image.value = button.dataset.image;
    gallery.open = false;
    gallery.querySelector("summary").focus();
    commit();
  });
  document.getElementById("no-image").addEventListener("click", () => {
    fields.image.value = "";
    gallery.querySelector("summary").focus();
    commit();
  });
  const measure = document.getElementById("measure");
  measure.disabled = false;
  measure.addEventListener("click", async () => {
    const said = document.getElementById("measured");
    measure.disabled = true;
    said.textContent = "Measuring\u2026";
    try {
      await open(fields.model.value);
      said.textContent = speed(await engine("measure", 1000, 30));
    } catch (error) {
      said.textContent = error.message;
    }
    progress.hidden = true;
    measure.disabled = false;
  });
  addEventListener("popstate", () => {
    // Going to a place on the page is no question.
    if (location.search !== asked) fromAddress();
  });
}

/** What a measurement found, in a sentence. */
function speed({ times, heads, encoded }) {
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const written = (value) => `${value.toFixed(1)} ms`;
  const totals = times.map((parts) => parts.reduce((sum, part) => sum + part));
  const [encoder, projection, neighbours] = [0, 1, 2].map((part) => median(times.map((run) => run[part])));
  return (
    `${written(median(totals))} (median of ${totals.length}; slowest ${written(Math.max(...totals))}) for ` +
    `1\u202f000 images \u00d7 ${heads} heads of ${model.name}: ` +
    (encoded ? `${written(encoder)} for the text encoder, ` : "") +
    `${written(projection)} for the projection on the heads, ${written(neighbours)} for the neighbours.`
  );
}

if (typeof WebAssembly === "object" && typeof DecompressionStream === "function") {
  document.getElementById("limit").textContent = `${MAX_BYTES / 1e6} MB`;
  document.getElementById("needs").hidden = true;
  form.hidden = false;
  listen();
  fromAddress();
} else {
  document.getElementById("needs-script").hidden = true;
  document.getElementById("needs-wasm").hidden = false;
}
