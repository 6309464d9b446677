// The model's heads, layers by heads: warm where a value is positive, cool where negative.

import { make } from "./elements.js";
import { headPage } from "./site-addresses.js";

/**
 * @param {object} model
 * @param {number[]} heads indices of the heads that were searched; the others step back
 * @param {string} title
 * @param {number[]} values of all heads
 * @param {(value: number) => string} describe
 */
export function headGrid(model, heads, title, values, describe) {
  const most = Math.max(...values.map(Math.abs)) || 1;
  const layers = [...new Set(model.heads.map(({ layer }) => layer))].sort((a, b) => b - a);
  const columns = [...new Set(model.heads.map(({ head: number }) => number))].sort((a, b) => a - b);
  const cell = (index) => {
    const { id, label } = model.heads[index];
    const made = make(
      "td",
      { class: `head${values[index] < 0 ? " below" : ""}`, "data-head": id },
      make(
        "a",
        { href: headPage(model.name, id) },
        make("span", { class: "unseen" }, `${id} `),
        make("span", { class: "name" }, label ?? "no label"),
        make("span", { class: "value" }, describe(values[index])),
      ),
    );
    made.style.setProperty("--score", Math.abs(values[index]) / most);
    if (!heads.includes(index)) made.classList.add("apart");
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
              const index = model.heads.findIndex((head) => head.layer === layer && head.head === number);
              return index < 0 ? make("td", {}) : cell(index);
            }),
          ),
        ),
      ),
    ),
  );
}
