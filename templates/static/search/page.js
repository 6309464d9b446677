// The search page: reads the question from the form and the address, asks the worker, and shows
// what it answers.

import { OWN, readAddress, writeAddress } from "./address.js";
import { combobox } from "./combobox.js";
import { startEngine } from "./engine.js";
import { CACHE } from "./fetch-cached.js";
import { MAX_BYTES } from "./own-image.js";
import { progressBar } from "./progress.js";
import { named, results } from "./results.js";
import { followPosition, keepPosition, position } from "./scroll-position.js";

const form = document.getElementById("ask");
const site = JSON.parse(form.dataset.site);
const fields = form.elements;
const status = document.getElementById("status");
const output = document.getElementById("results");
const preview = document.getElementById("preview");
const gallery = document.getElementById("gallery");
const problem = document.getElementById("problem");
const TITLE = document.title;

let model = null;
/** The visitor's own image: a name for it, its file, its size, and a small picture of it. */
let own = null;
let ownNumber = 0;
let run = 0;
/** The fragment of the question that was asked last. */
let asked = "";

const progress = progressBar(document.getElementById("progress"));
const engine = startEngine(progress.show);

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

const described = (name) => site.models.find((each) => each.name === name) ?? site.models[0];

/** Where the files of a model are, for the worker. */
function sourceOf(name) {
  const chosen = described(name);
  return {
    ...chosen,
    address: addressOf(chosen.path),
    runtime: withAddresses(site.runtime),
    shared: withAddresses(site.shared),
  };
}

/** Asks the worker of the model that is open. */
const askModel = (opened) => (method, ...args) => engine(method, sourceOf(opened.name), ...args);

/** The model that the form is about; another one may be on its way. */
let opening = "";

/** Loads a model's facts, and keeps the page for when there is no network. */
async function open(name) {
  keepOffline();
  const source = sourceOf(name);
  opening = source.name;
  if (model?.name === source.name) return model;
  const opened = await engine("open", source);
  if (opening === source.name) show(opened);
  return opened;
}

/** Makes the form one about a model. */
function show(opened) {
  model = opened;
  fillHeads();
  gallery.querySelector("ul").replaceChildren();
  if (gallery.open) showGallery();
  const reads = model.files.text_encoder && model.tokenizer;
  document.getElementById("text-note").textContent = reads ? site.notes.any : site.notes.known;
  document.getElementById("own").hidden = !model.files.image_encoder;
  document.getElementById("no-own").hidden = Boolean(model.files.image_encoder);
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
  return place < 0 ? null : { place, address: addressOf(`../gallery/${encodeURIComponent(id)}.webp`) };
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

/** What a question asks of, in the page's title and for those who hear the page. */
function describe(question) {
  const image = question.image && question.image !== OWN && model?.images.find(({ id }) => id === question.image);
  return [
    question.text && named(question),
    question.image && (question.image === OWN ? "your image" : image?.title ?? question.image),
    question.heads.replace(/^property:/, ""),
  ]
    .filter(Boolean)
    .join(" \u00b7 ");
}

/**
 * Answers a question; a later one takes over.
 *
 * @param {number} [y] where the page is scrolled to afterwards; else to the answers
 */
async function ask(question, y) {
  const mine = (run += 1);
  const stale = () => mine !== run;
  const begun = scrollY;
  complain("");
  progress.clear();
  document.title = [describe(question), TITLE].filter(Boolean).join(" \u00b7 ");
  const wanted = question.text || question.minus || question.image;
  document.documentElement.classList.toggle("asks", Boolean(wanted));
  say(wanted ? "Searching\u2026" : "");
  form.setAttribute("aria-busy", "true");
  let found = 0;
  try {
    const opened = wanted || question.heads || question.model ? await open(question.model) : null;
    if (stale()) return;
    if (opened) choose(fields.heads, question.heads);
    if (wanted) found = await answer(opened, question, stale);
    else output.replaceChildren();
    if (stale()) return;
    document.title = [describe(question), TITLE].filter(Boolean).join(" \u00b7 ");
    if (found) say(`${found} ${found === 1 ? "answer" : "answers"} for ${describe(question)}`);
    else if (question.heads) say(`Give a text or an image to search with ${describe(question)}.`);
  } catch (error) {
    if (stale()) return;
    output.replaceChildren();
    say("");
    complain(error.message);
  } finally {
    if (!stale()) {
      form.removeAttribute("aria-busy");
      progress.clear();
      if (!found) document.documentElement.classList.remove("asks");
      // Whoever has scrolled meanwhile is not taken away from there.
      if (scrollY === begun) {
        if (y !== undefined) scrollTo(0, y);
        else if (found) output.scrollIntoView();
      }
    }
  }
}

/** Shows what a model answers to a text or an image; gives how many answers there are. */
async function answer(opened, question, stale) {
  if (question.minus && !question.text) {
    throw new Error("Give a text too: \u201crather than\u201d takes a second text away from a first one.");
  }
  let image = null;
  if (question.image === OWN) {
    image = own && { own: own.name, file: own.file };
    if (!own) {
      complain(
        "This address was made with an image that stayed on its owner's computer. " +
          "Choose an image of your own, or one of the gallery.",
      );
    }
  } else if (question.image) {
    image = galleryImage(question.image);
    if (!image) complain(`The gallery has no image named ${question.image}.`);
  }
  showPreview(question.image);
  const found = await results({
    ask: askModel(opened),
    model: opened,
    question,
    image,
    picture: () => (image?.own ? ownPicture() : null),
    heads: chosenHeads(question.heads),
    output,
    stale,
  });
  if (!stale()) keepShown().catch(() => {});
  return found;
}

/** Asks what the form says, under an address of its own. */
function commit() {
  const question = readForm();
  if (question.model === site.models[0].name && site.models.length === 1) question.model = "";
  const fragment = writeAddress(question);
  if (fragment !== location.hash) {
    keepPosition();
    history.pushState(null, "", location.pathname + fragment);
  }
  asked = location.hash;
  return ask(question);
}

function fromAddress() {
  asked = location.hash;
  const question = readAddress(asked);
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
  return ask(question, position());
}

/** The visitor's own image as the model sees it, as a canvas. */
function ownPicture() {
  const { picture } = own;
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Your image");
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0);
  return canvas;
}

/** What of the visitor's own image the model sees, in words. */
function seenOfOwn() {
  const { width, height } = own;
  if (width === height) return "Your image";
  const size = `${width} \u00d7 ${height} pixels`;
  return model?.preprocessing.resize_mode === "squash"
    ? `Your image of ${size}, squeezed to a square, as the model sees it`
    : `The centred square of your image of ${size}: the model sees no more of it`;
}

function showPreview(image) {
  const holder = preview.querySelector(".thumb");
  preview.hidden = !image || (image === OWN && !own);
  if (preview.hidden) return;
  const title = preview.querySelector("figcaption span");
  if (image === OWN) {
    holder.replaceChildren(ownPicture());
    title.textContent = seenOfOwn();
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
    const taken = await askModel(model)("take", file);
    own?.picture.close();
    ownNumber += 1;
    own = { ...taken, name: `own ${ownNumber}`, file };
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
      return askModel(await open(fields.model.value))("complete", typed);
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
      said.textContent = speed(await askModel(await open(fields.model.value))("measure", 1000, 30));
    } catch (error) {
      said.textContent = error.message;
    }
    progress.clear();
    measure.disabled = false;
  });
  // The fragment is the question's: links within the page lead there and leave the address alone.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const target = link && document.getElementById(link.hash.slice(1));
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  });
  // A picture that cannot be had, as without a network, says what it shows.
  document.addEventListener(
    "error",
    ({ target }) => {
      if (!(target instanceof HTMLImageElement)) return;
      const words = document.createElement("span");
      words.className = "gone";
      words.textContent = target.alt;
      target.replaceWith(words);
    },
    true,
  );
  const follow = () => {
    if (location.hash !== asked) fromAddress();
  };
  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
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
  form.classList.remove("waiting");
  listen();
  followPosition();
  fromAddress();
} else {
  document.getElementById("needs-script").hidden = true;
  document.getElementById("needs-wasm").hidden = false;
}
