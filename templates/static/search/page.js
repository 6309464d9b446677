// The search page: reads the question from the form and the address, queries the worker, and shows
// what it answers.

import { OWN, readAddress, writeAddress } from "./address.js";
import { combobox } from "./combobox.js";
import { startEngine } from "./engine.js";
import { imageChoice } from "./image-choice.js";
import { sourceOf } from "./models.js";
import { keepOffline, keepPictures } from "./offline.js";
import { MAX_BYTES } from "./own-image.js";
import { describeLostPictures, keepFragment } from "./page-links.js";
import { progressBar } from "./progress.js";
import { named, results } from "./results.js";
import { followPosition, keepPosition, position } from "./scroll-position.js";
import { offerMeasurement } from "./speed.js";

const form = document.getElementById("ask");
const site = JSON.parse(form.dataset.site);
const fields = form.elements;
const status = document.getElementById("status");
const output = document.getElementById("results");
const problem = document.getElementById("problem");
const TITLE = document.title;

let model = null;
let run = 0;
/** The fragment of the latest question. */
let fragment = "";

const progress = progressBar(document.getElementById("progress"));
const engine = startEngine(progress.show);

const say = (text) => (status.textContent = text);

function complain(message) {
  problem.textContent = message;
  problem.hidden = !message;
}

/** Queries the worker about a model that is open. */
const askModel = (opened) => (method, ...args) => engine(method, sourceOf(site, opened.name), ...args);

/** The model that the form is about; another one may be on its way. */
let opening = "";

/** Loads a model's facts, and keeps the page for when there is no network. */
async function open(name) {
  keepOffline();
  const source = sourceOf(site, name);
  opening = source.name;
  if (model?.name === source.name) return model;
  const opened = await engine("open", source);
  if (opening === source.name) show(opened);
  return opened;
}

/** Opens the model that the form names. */
const openChosen = () => open(fields.model.value);

const image = imageChoice(form, {
  model: () => model,
  open: openChosen,
  take: (file) => askModel(model)("take", file),
  commit,
  complain: (message) => {
    if (message) say("");
    complain(message);
  },
});

/** Fills the form for a model. */
function show(opened) {
  model = opened;
  fillHeads();
  image.changeModel();
  const reads = model.files.text_encoder && model.tokenizer;
  document.getElementById("text-note").textContent = reads ? site.notes.any : site.notes.known;
  document.getElementById("own").hidden = !model.files.image_encoder;
  document.getElementById("no-own").hidden = Boolean(model.files.image_encoder);
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

/** Indices of the heads that are chosen. */
function chosenHeads(value) {
  const all = model.heads.map((_, index) => index);
  if (value.startsWith("property:")) {
    return model.properties.find(({ slug }) => `property:${slug}` === value)?.heads ?? all;
  }
  const index = model.heads.findIndex(({ id }) => id === value);
  return index < 0 ? all : [index];
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

/** What a question is about, in the page's title and for screen readers. */
function describe(question) {
  const shown = question.image && question.image !== OWN && model?.images.find(({ id }) => id === question.image);
  return [
    question.text && named(question),
    question.image && (question.image === OWN ? "your image" : shown?.title ?? question.image),
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
    throw new Error("Give a text too: \u201cContrast with\u201d subtracts a second text from a first one.");
  }
  const given = question.image ? image.find(question.image, opened) : null;
  image.show(question.image);
  const found = await results({
    ask: askModel(opened),
    model: opened,
    question,
    image: given,
    picture: () => (given?.own ? image.ownPicture() : null),
    heads: chosenHeads(question.heads),
    colours: site.heat,
    output,
    stale,
  });
  if (!stale()) keepPictures(output).catch(() => {});
  return found;
}

/** Runs the query of the form, under an address of its own. */
function commit() {
  const question = readForm();
  if (question.model === site.models[0].name && site.models.length === 1) question.model = "";
  const written = writeAddress(question);
  if (written !== location.hash) {
    keepPosition();
    history.pushState(null, "", location.pathname + written);
  }
  fragment = location.hash;
  return ask(question);
}

function fromAddress() {
  fragment = location.hash;
  const question = readAddress(fragment);
  choose(fields.model, question.model || site.models[0].name);
  fields.text.value = question.text;
  fields.minus.value = question.minus;
  fields.image.value = question.image;
  // The heads of another model are listed once it is open.
  if (![...fields.heads.options].some(({ value }) => value === question.heads)) {
    fields.heads.append(new Option(question.heads, question.heads));
  }
  fields.heads.value = question.heads;
  image.show(question.image);
  return ask(question, position());
}

function listen() {
  for (const name of ["text", "minus"]) {
    const complete = async (typed) => {
      return askModel(await openChosen())("complete", typed);
    };
    combobox(fields[name], (typed) => complete(typed).catch(() => []), commit);
  }
  fields.heads.addEventListener("change", commit);
  fields.model.addEventListener("change", commit);
  // Its heads are listed when they are wanted, not before.
  fields.heads.addEventListener("focus", () => openChosen().catch(() => {}));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    commit();
  });
  image.listen();
  offerMeasurement(async (...size) => {
    const opened = await openChosen();
    return { name: opened.name, ...(await askModel(opened)("measure", ...size)) };
  }, progress.clear);
  keepFragment();
  describeLostPictures();
  const follow = () => {
    if (location.hash !== fragment) fromAddress();
  };
  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
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
