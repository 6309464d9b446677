// What the worker found, as sections of the page.

import { make } from "./elements.js";
import { headGrid } from "./head-grid.js";
import { drawMap, peak } from "./heat-map.js";
import { decimal, percent, signed, signedPercent } from "./numbers.js";
import { headPage, imagePage, propertyPage, smallPicture } from "./site-addresses.js";

const SHOWN = 12;
const MAPS = 24;

/** A text, or two, as answers name them. */
export const named = ({ text, minus }) =>
  `\u201c${text}\u201d${minus ? ` vs \u201c${minus}\u201d` : ""}`;

/**
 * Shows all that a question has an answer to, section by section.
 *
 * @param {object} given ask (calls a method of the worker, of this model), model, question, image,
 *   picture (a canvas of an own image), heads, colours of heat maps, output and stale (whether a
 *   later question has taken over)
 * @returns {Promise<number>} how many sections
 */
export async function results({ ask, model, question, image, picture, heads, colours, output, stale }) {
  const { text, minus } = question;
  const sections = [];
  const notes = [];
  const quoted = text && named(question);
  const head = (index) => model.heads[index];
  const headLink = (index) => make("a", { href: headPage(model.name, head(index).id) }, head(index).id);
  const propertyTag = ({ name, slug, colour }) =>
    make("a", { class: `tag p${colour}`, href: propertyPage(model.name, slug) }, name);
  const tag = ({ label, property }) => {
    const labelled = model.properties.find(({ slug }) => slug === property);
    if (labelled) return propertyTag(labelled);
    return make("span", { class: label ? "tag" : "tag none" }, label ?? "no label");
  };

  function thumb(image) {
    const { id, title } = model.images[image];
    return make(
      "a",
      { class: "thumb", href: imagePage(model.name, id) },
      make("img", { src: smallPicture(id), alt: title, width: 240, height: 240, loading: "lazy" }),
    );
  }

  const strip = (neighbours) =>
    make(
      "ol",
      { class: "strip" },
      ...neighbours.map(({ image, score }) =>
        make("li", {}, thumb(image), make("span", { class: "score" }, decimal(score))),
      ),
    );

  const section = (id, title, ...children) =>
    sections.push(make("section", { id, "aria-labelledby": `${id}-title` }, make("h2", { id: `${id}-title` }, title), ...children));

  /** Rows of which the first are shown, and the others on demand. */
  function rows(list, row) {
    const shown = make("ol", { class: "makers" }, ...list.slice(0, SHOWN).map(row));
    if (list.length <= SHOWN) return [shown];
    const more = make("button", { type: "button", class: "button quiet" }, `Show all ${list.length} heads`);
    more.addEventListener("click", () => {
      const added = list.slice(SHOWN).map(row);
      shown.append(...added);
      more.remove();
      added[0].querySelector("a").focus();
    });
    return [shown, more];
  }

  const headRow = (index, measure, neighbours) =>
    make(
      "li",
      { "data-head": head(index).id },
      make(
        "div",
        { class: "said" },
        make("h3", {}, headLink(index), " ", tag(head(index))),
        make("p", { class: "excess" }, measure),
      ),
      strip(neighbours),
    );

  /** For comparison, what the sum of all contributions is nearest to. */
  const wholeRow = (neighbours) =>
    make(
      "ol",
      { class: "makers whole" },
      make(
        "li",
        {},
        make(
          "div",
          { class: "said" },
          make("h3", {}, "The whole model"),
          make("p", { class: "excess" }, "cosine of the embeddings, for comparison"),
        ),
        strip(neighbours),
      ),
    );

  const grid = (title, values, describe) => headGrid(model, heads, title, values, describe);

  function heat(map, [gridRows, gridColumns], caption) {
    const base = picture() ?? thumb(image.index).firstChild;
    return make(
      "figure",
      { class: "heat" },
      make("div", { class: "thumb" }, base, drawMap(map, gridRows, gridColumns, colours)),
      make("figcaption", {}, caption, ` \u00b1${peak(map).toPrecision(2)}`),
    );
  }

  const key = (warm, cool) =>
    make(
      "p",
      { class: "key" },
      make("span", { class: "swatch warm" }),
      ` ${warm} `,
      make("span", { class: "swatch cool" }),
      ` ${cool}. Each map is scaled to its largest absolute value, which is written below it as \u00b1: ` +
        "how far that patch, through this head, moves the embedding, whose length is 1.",
    );

  async function heatMaps() {
    if (!model.files.image_encoder) {
      section(
        "maps",
        "Where in the image",
        make(
          "p",
          { class: "unavailable" },
          "Heat maps of any text on any image need the model's image encoder, with which this " +
            "model was not exported. The pages of its heads show heat maps of their descriptions.",
        ),
      );
      return;
    }
    const wanted = rank(heads, strengths).slice(0, MAPS);
    const { grid: shape, maps, sum } = await ask("maps", image, question, wanted);
    const towards = minus
      ? key(`towards \u201c${text}\u201d`, `towards \u201c${minus}\u201d`)
      : key("towards the text", "away from it");
    const figures = maps.map(({ head: index, map }) => {
      const figure = heat(map, shape, "");
      figure.dataset.head = head(index).id;
      figure.prepend(make("p", { class: "heat-head" }, headLink(index), " ", tag(head(index))));
      return make("li", {}, figure);
    });
    section("maps", `Where heads see ${quoted}`, towards, make("ul", { class: "search-maps" }, ...figures));
    if (!minus) return;
    section(
      "contrast",
      `Where all heads together see ${quoted}`,
      towards.cloneNode(true),
      make("div", { class: "search-contrast" }, heat(sum, shape, `${model.heads.length} heads together.`)),
    );
  }

  let strengths = null;
  let answer = null;
  if (text) {
    answer = await ask("text", question);
    if (stale()) return 0;
    strengths = answer.rows.map((row) => row.share);
  }
  const mine = image ? await ask("image", image) : null;
  if (stale()) return 0;
  const excess = mine && Array.from(mine.shares, (value, index) => value - head(index).mean_share);
  strengths ??= excess;
  if (mine?.usual) notes.push(make("p", { class: "note", id: "usual" }, likeness(mine)));

  if (image && text) await heatMaps();
  if (stale()) return 0;

  /** How much an image of the visitor's own is like the gallery's. */
  function likeness({ whole: [{ score }], usual: { median, low } }) {
    const found =
      `The gallery's image nearest to yours has a cosine of ${decimal(score)} with it in the whole model. ` +
      `Among the gallery's own images ${decimal(median)} is usual, and 95% have at least ${decimal(low)}. `;
    return score < low
      ? `${found}Your image is unlike this gallery, and maybe unlike what ${model.name} was trained on: ` +
          "read the answers with care."
      : `${found}So your image is like those of this gallery.`;
  }

  /** What the shares of all heads add up to, and what is left. */
  function sumOfShares() {
    if (strengths.every((value) => value === 0)) {
      return "Here the model does not tell the gallery\u2019s images apart along it.";
    }
    const sum = strengths.reduce((total, value) => total + value, 0);
    return (
      `The ${strengths.length} heads make ${signedPercent(sum)} together; all other terms (MLPs, the input, and ` +
      `heads that are not listed here) make ${signedPercent(1 - sum)}, which is 100% in all.`
    );
  }

  if (text) {
    const title = `Heads that answer ${quoted}`;
    section(
      "answering",
      title,
      make(
        "p",
        {},
        "Each head\u2019s signed share of the model\u2019s variance along " +
          `${minus ? "the difference of the two texts" : "this text"}, cov(\u27e8c, t\u27e9, \u27e8f, t\u27e9) / ` +
          "var\u27e8f, t\u27e9 over the gallery. Heads with a ",
        make("span", { class: "warm-text" }, "positive"),
        " share tell images apart as the whole model does; those with a ",
        make("span", { class: "cool-text" }, "negative"),
        " one work against it. ",
        make("span", { class: "sum" }, sumOfShares()),
      ),
      grid(title, strengths, signedPercent),
    );
    section(
      "text-neighbours",
      `Images most like ${quoted}, head by head`,
      make(
        "p",
        {},
        `Cosine between what the head writes for an image and ${minus ? "the difference of the two texts" : "the text"}; ` +
          "heads with the largest share first. ",
        make(
          "span",
          { class: "took" },
          `${model.heads.length} heads \u00d7 ${model.images.length} images in ${Math.ceil(answer.milliseconds)} ms.`,
        ),
      ),
      wholeRow(answer.whole),
      ...rows(rank(heads, strengths), (index) =>
        headRow(index, `share ${signedPercent(strengths[index])}`, answer.rows[index].neighbours),
      ),
    );
  }
  if (mine) {
    const title = image.own ? "your image" : "this image";
    section(
      "image-heads",
      `Heads that make ${title}`,
      make(
        "p",
        {},
        "The share of the image\u2019s embedding that each head makes, less the head\u2019s mean share over the gallery, " +
          "in percentage points: ",
        make("span", { class: "warm-text" }, "more"),
        " than usual, or ",
        make("span", { class: "cool-text" }, "less"),
        ".",
      ),
      grid(`Heads that make ${title}`, excess, (value) => signed(100 * value, 1)),
    );
    section(
      "image-neighbours",
      `Images nearest to ${title}, head by head`,
      make("p", {}, "Cosine between contributions; heads whose share of this image exceeds their mean most first."),
      wholeRow(mine.whole),
      ...rows(rank(heads, excess), (index) =>
        headRow(index, `${percent(mine.shares[index])} of the embedding`, mine.rows[index].neighbours),
      ),
    );
    const chosen = model.properties.filter(
      ({ heads: labelled }) => labelled.some((index) => heads.includes(index)),
    );
    const list = make("ol", { class: "makers" });
    for (const property of chosen) {
      const neighbours = await ask("property", image, property);
      if (stale()) return 0;
      list.append(
        make(
          "li",
          { "data-property": property.slug },
          make(
            "div",
            { class: "said" },
            make("h3", {}, propertyTag(property)),
            make("p", { class: "excess" }, property.heads.map((index) => head(index).id).join(", ")),
          ),
          strip(neighbours),
        ),
      );
    }
    if (chosen.length) {
      section(
        "property-neighbours",
        `Images nearest to ${title} by property`,
        make("p", {}, "Cosine between mean contributions of all heads with the property\u2019s label."),
        list,
      );
    }
  }
  const heading = (made) => made.querySelector("h2").textContent;
  const jump = make(
    "nav",
    { class: "jump", "aria-label": "Answers" },
    make(
      "ul",
      {},
      ...sections.map((made) => make("li", {}, make("a", { href: `#${made.id}` }, heading(made)))),
    ),
  );
  output.replaceChildren(...(sections.length > 1 ? [jump] : []), ...notes, ...sections);
  return sections.length;
}

/** Indices of heads, the highest value first. */
function rank(heads, values) {
  return [...heads].sort((a, b) => values[b] - values[a] || a - b);
}
