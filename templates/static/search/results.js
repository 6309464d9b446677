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

/**
 * Shows all that a question has an answer to, section by section.
 *
 * @param {object} asked engine, model, question, image, picture (a canvas of an own image), heads,
 *   output, say and stale (whether a later question has taken over)
 */
export async function results({ engine, model, question, image, picture, heads, output, say, stale }) {
  const { text, minus } = question;
  const sections = [];
  const quoted = text && `\u201c${text}\u201d`;
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

  /** The model's heads, layers by heads, coloured by a value. */
  function grid(values, describe) {
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
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Heads by layer, coloured by score" },
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
      ` ${cool}. Each map is scaled to its own largest absolute value, written below it as \u00b1.`,
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
    const { grid: shape, maps } = await engine("maps", image, text, "", wanted);
    if (maps.length) {
      const figures = maps.map(({ head: place, map }) => {
        const figure = heat(map, shape, "");
        figure.dataset.head = head(place).id;
        figure.prepend(make("p", { class: "heat-head" }, headLink(place), " ", tag(head(place))));
        return make("li", {}, figure);
      });
      section(
        "maps",
        `Where heads see ${quoted}`,
        key("towards the text", "away from it"),
        make("ul", { class: "search-maps" }, ...figures),
      );
    }
    if (!minus) return;
    const { contrast } = await engine("maps", image, text, minus, []);
    section(
      "contrast",
      `${quoted} rather than \u201c${minus}\u201d`,
      key(`towards ${quoted}`, `towards \u201c${minus}\u201d`),
      make("div", { class: "search-contrast" }, heat(contrast, shape, "All exported heads together.")),
    );
  }

  let strengths = null;
  let asked = null;
  if (text) {
    asked = await engine("text", text);
    if (stale()) return;
    strengths = asked.rows.map(({ spread }) => spread);
  }
  const mine = image ? await engine("image", image) : null;
  if (stale()) return;
  const excess = mine && Array.from(mine.shares, (share, place) => share - head(place).mean_share);
  strengths ??= excess;

  if (image && text) await heatMaps();
  if (stale()) return;

  if (text) {
    section(
      "answering",
      `Heads that answer ${quoted}`,
      make(
        "p",
        {},
        "How much each head tells the gallery's images apart along this text: the standard deviation of what it " +
          "writes in the text's direction. Follow a cell to the head.",
      ),
      grid(strengths, (value) => decimal(value, 4)),
    );
    section(
      "text-neighbours",
      `Images most like ${quoted}, head by head`,
      make(
        "p",
        {},
        "Cosine between what the head writes for an image and the text; heads that answer most strongly first. ",
        make(
          "span",
          { class: "took" },
          `${model.heads.length} heads \u00d7 ${model.images.length} images in ${Math.ceil(asked.milliseconds)} ms.`,
        ),
      ),
      wholeRow(asked.whole),
      ...rows(rank(heads, strengths), (place) =>
        headRow(place, `spread ${decimal(asked.rows[place].spread, 4)}`, asked.rows[place].neighbours),
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
        "How much more of the image's embedding each head makes than it does on average over the gallery.",
      ),
      grid(excess, percent),
    );
    section(
      "image-neighbours",
      `Images nearest to ${title}, head by head`,
      make("p", {}, "Cosine between contributions; heads that make most of this image first."),
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
      const neighbours = await engine("property", image, property);
      if (stale()) return;
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
        make("p", {}, "Cosine of the mean contribution over all heads that bear the property's label."),
        list,
      );
    }
  }
  const found = sections.map((each) => each.querySelector("h2").textContent);
  const jump = make(
    "nav",
    { class: "jump", "aria-label": "Answers" },
    make(
      "ul",
      {},
      ...sections.map(({ id }, n) => make("li", {}, make("a", { href: `#${id}` }, found[n]))),
    ),
  );
  output.replaceChildren(...(sections.length > 1 ? [jump] : []), ...sections);
  say(found.length ? `Found: ${found.join("; ")}.` : "");
}

/** Places of heads, the highest value first. */
function rank(heads, values) {
  return [...heads].sort((a, b) => values[b] - values[a] || a - b);
}
