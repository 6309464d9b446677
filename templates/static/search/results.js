// What the worker found, as sections of the page.

import { drawMap, peak } from "./heat-map.js";

const SHOWN = 12;
const MAPS = 24;

/** An element with attributes and children. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function decimal(value, digits = 2) {
  const written = Math.abs(value).toFixed(digits);
  return value < 0 && Number(written) !== 0 ? `\u2212${written}` : written;
}

const percent = (value) => `${decimal(100 * value, 1)}%`;

/** With its sign also if it is positive. */
function signed(value, digits) {
  const written = decimal(value, digits);
  return value > 0 && Number(written) !== 0 ? `+${written}` : written;
}

const share = (value) => `${signed(100 * value, 1)}%`;

/** A text, or two, as answers name them. */
export const named = ({ text, minus }) =>
  `\u201c${text}\u201d${minus ? ` rather than \u201c${minus}\u201d` : ""}`;

/**
 * Shows all that a question has an answer to, section by section.
 *
 * @param {object} asked ask (a method of the worker, of this model), model, question, image,
 *   picture (a canvas of an own image), heads, output and stale (whether a later question has taken
 *   over)
 * @returns {Promise<number>} how many sections
 */
export async function results({ ask, model, question, image, picture, heads, output, stale }) {
  const { text, minus } = question;
  const sections = [];
  const notes = [];
  const quoted = text && named(question);
  const head = (place) => model.heads[place];
  const headLink = (place) =>
    make("a", { href: `../${encodeURIComponent(model.name)}/${head(place).id}/index.html` }, head(place).id);
  const propertyTag = ({ name, slug, colour }) =>
    make(
      "a",
      { class: `tag p${colour}`, href: `../${encodeURIComponent(model.name)}/properties/${slug}/index.html` },
      name,
    );
  const tag = ({ label, property }) => {
    const known = model.properties.find(({ slug }) => slug === property);
    if (known) return propertyTag(known);
    return make("span", { class: label ? "tag" : "tag none" }, label ?? "no label");
  };

  function thumb(place) {
    const { id, title } = model.images[place];
    return make(
      "a",
      { class: "thumb", href: `../${encodeURIComponent(model.name)}/images/${encodeURIComponent(id)}/index.html` },
      make("img", {
        src: `../gallery/small/${encodeURIComponent(id)}.webp`,
        alt: title,
        width: 240,
        height: 240,
        loading: "lazy",
      }),
    );
  }

  const strip = (neighbours) =>
    make(
      "ol",
      { class: "strip" },
      ...neighbours.map(({ image: place, score }) =>
        make("li", {}, thumb(place), make("span", { class: "score" }, decimal(score))),
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

  const headRow = (place, measure, neighbours) =>
    make(
      "li",
      { "data-head": head(place).id },
      make(
        "div",
        { class: "said" },
        make("h3", {}, headLink(place), " ", tag(head(place))),
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

  /** The model's heads, layers by heads: warm where a value is positive, cool where negative. */
  function grid(title, values, describe) {
    const most = Math.max(...values.map(Math.abs)) || 1;
    const layers = [...new Set(model.heads.map(({ layer }) => layer))].sort((a, b) => b - a);
    const columns = [...new Set(model.heads.map(({ head: number }) => number))].sort((a, b) => a - b);
    const cell = (place) => {
      const made = make(
        "td",
        { class: `head${values[place] < 0 ? " below" : ""}`, "data-head": head(place).id },
        make(
          "a",
          { href: headLink(place).getAttribute("href") },
          make("span", { class: "unseen" }, `${head(place).id} `),
          make("span", { class: "name" }, head(place).label ?? "no label"),
          make("span", { class: "value" }, describe(values[place])),
        ),
      );
      made.style.setProperty("--score", Math.abs(values[place]) / most);
      if (!heads.includes(place)) made.classList.add("apart");
      return made;
    };
    return make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}: all heads by layer` },
      make(
        "table",
        { class: `grid score-grid${columns.length > 12 ? " dense" : ""}` },
        make(
          "thead",
          {},
          make(
            "tr",
            {},
            make("th", { scope: "col" }, make("span", { class: "unseen" }, "Layer")),
            ...columns.map((number) => make("th", { scope: "col" }, `H${number}`)),
          ),
        ),
        make(
          "tbody",
          {},
          ...layers.map((layer) =>
            make(
              "tr",
              {},
              make("th", { scope: "row" }, `L${layer}`),
              ...columns.map((number) => {
                const place = model.heads.findIndex((each) => each.layer === layer && each.head === number);
                return place < 0 ? make("td", {}) : cell(place);
              }),
            ),
          ),
        ),
      ),
    );
  }

  function heat(map, [gridRows, gridColumns], caption) {
    const base = picture() ?? thumb(image.place).firstChild;
    return make(
      "figure",
      { class: "heat" },
      make("div", { class: "thumb" }, base, drawMap(map, gridRows, gridColumns)),
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
    const figures = maps.map(({ head: place, map }) => {
      const figure = heat(map, shape, "");
      figure.dataset.head = head(place).id;
      figure.prepend(make("p", { class: "heat-head" }, headLink(place), " ", tag(head(place))));
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
  let asked = null;
  if (text) {
    asked = await ask("text", question);
    if (stale()) return 0;
    strengths = asked.rows.map((row) => row.share);
  }
  const mine = image ? await ask("image", image) : null;
  if (stale()) return 0;
  const excess = mine && Array.from(mine.shares, (value, place) => value - head(place).mean_share);
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
      `The ${strengths.length} heads make ${share(sum)} together; all other terms (MLPs, the input, and ` +
      `heads that are not listed here) make ${share(1 - sum)}, which is 100% in all.`
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
      grid(title, strengths, share),
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
          `${model.heads.length} heads \u00d7 ${model.images.length} images in ${Math.ceil(asked.milliseconds)} ms.`,
        ),
      ),
      wholeRow(asked.whole),
      ...rows(rank(heads, strengths), (place) =>
        headRow(place, `share ${share(strengths[place])}`, asked.rows[place].neighbours),
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
      ...rows(rank(heads, excess), (place) =>
        headRow(place, `${percent(mine.shares[place])} of the embedding`, mine.rows[place].neighbours),
      ),
    );
    const chosen = model.properties.filter(
      ({ heads: bearers }) => bearers.length && bearers.some((place) => heads.includes(place)),
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
            make("p", { class: "excess" }, property.heads.map((place) => head(place).id).join(", ")),
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
  const heading = (each) => each.querySelector("h2").textContent;
  const jump = make(
    "nav",
    { class: "jump", "aria-label": "Answers" },
    make(
      "ul",
      {},
      ...sections.map((each) => make("li", {}, make("a", { href: `#${each.id}` }, heading(each)))),
    ),
  );
  output.replaceChildren(...(sections.length > 1 ? [jump] : []), ...notes, ...sections);
  return sections.length;
}

/** Places of heads, the highest value first. */
function rank(heads, values) {
  return [...heads].sort((a, b) => values[b] - values[a] || a - b);
}
