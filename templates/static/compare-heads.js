// Two heads side by side. Which ones stands in the address, as #a=demo-clip/L5.H2&b=demo-clip/L4.H3,
// so that a pair can be sent to others, and back and forward lead through the pairs.
(async () => {
  const form = document.getElementById("choose");
  const pair = document.getElementById("pair");
  const problem = document.getElementById("problem");
  const status = document.getElementById("status");
  // Browsers do not let a page on disk read the files beside it.
  if (location.protocol === "file:") return;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const SVG = "http://www.w3.org/2000/svg";
  const drawn = (tag, attributes, ...children) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const decimal = (value, digits = 2) =>
    value.toFixed(digits).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");
  const percent = (value, digits = 0) => `${decimal(100 * value, digits)}%`;
  const root = form.dataset.root;
  const headPage = ({ model, id }) => `${root}${encodeURIComponent(model)}/${id}/index.html`;

  const loaded = new Map();
  const load = (address) => {
    if (!loaded.has(address)) {
      const answer = fetch(address).then((response) => {
        if (!response.ok) throw new Error(`${address} could not be loaded (${response.status}).`);
        return response.json();
      });
      // What failed once may be there at the next try.
      answer.catch(() => loaded.delete(address));
      loaded.set(address, answer);
    }
    return loaded.get(address);
  };
  const loadHead = ({ model, id }) => load(`${root}${encodeURIComponent(model)}/${id}/head.json`);

  const say = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
    if (text) pair.replaceChildren();
  };

  let models;
  try {
    ({ models } = await load(form.dataset.heads));
  } catch {
    say("The list of heads could not be loaded. Reload the page to try again.");
    return;
  }
  const modelNamed = (name) => models.find((model) => model.name === name);

  // --- The form and the address -------------------------------------------------------------

  const field = (side, name) => form.elements[`${side}-${name}`];

  function offerHeads(side) {
    const heads = modelNamed(field(side, "model").value).heads;
    field(side, "head").replaceChildren(
      ...heads.map(([id, label]) => make("option", { value: id }, label ? `${id} ${label}` : id)),
    );
  }

  /** The head that the address names on a side, or what is wrong with it. */
  function headIn(state, side) {
    const [model, id, ...more] = (state.get(side) ?? "").split("/");
    const known = modelNamed(model);
    if (!known) {
      const names = models.map(({ name }) => name).join(", ");
      return { fault: `This atlas has no model “${model}”; it has ${names}.` };
    }
    if (more.length || !known.heads.some(([head]) => head === id)) {
      const [first, last] = [known.heads[0][0], known.heads.at(-1)[0]];
      return { fault: `${model} has no head “${id ?? ""}” here; its heads are ${first} to ${last}.` };
    }
    return { model, id };
  }

  const written = ({ model, id }) => `${encodeURIComponent(model)}/${id}`;

  const fragmentOf = (a, b) => `#a=${written(a)}&b=${written(b)}`;

  function lead(a, b) {
    const fragment = fragmentOf(a, b);
    if (location.hash !== fragment) location.hash = fragment;
  }

  const chosen = (side) => ({ model: field(side, "model").value, id: field(side, "head").value });

  function fill(side, { model, id }) {
    if (field(side, "model").value !== model || !field(side, "head").length) {
      field(side, "model").value = model;
      offerHeads(side);
    }
    field(side, "head").value = id;
  }

  // --- What is shown ------------------------------------------------------------------------

  const bar = (value, largest) => {
    const width = largest > 0 ? Math.min(100, (100 * Math.max(0, value)) / largest) : 0;
    return drawn(
      "svg",
      { class: "measure", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      drawn("rect", { class: "track", width: 100, height: 6 }),
      drawn("rect", { class: "value", width, height: 6 }),
    );
  };

  /** Σ min(p, q) over names, where each list weighs its names by what they explain. */
  function overlap(one, other, nameOf) {
    const weights = (head) => {
      const shares = head.descriptions.map(({ share }) => Math.max(0, share));
      const whole = shares.reduce((sum, share) => sum + share, 0) || 1;
      const found = new Map();
      head.descriptions.forEach((description, rank) => {
        const name = nameOf(description);
        if (name !== null) found.set(name, (found.get(name) ?? 0) + shares[rank] / whole);
      });
      return found;
    };
    const [left, right] = [weights(one), weights(other)];
    let sum = 0;
    for (const [name, weight] of left) sum += Math.min(weight, right.get(name) ?? 0);
    return sum;
  }

  function similarity(a, b) {
    const same = a.model === b.model;
    const values = same ? a.relatives.cka : a.other_relatives[b.model]?.cka;
    const texts = overlap(a, b, ({ text }) => text);
    const said = `Their descriptions overlap by ${percent(texts)}.`;
    if (!values) return `${a.model} and ${b.model} have not been compared by CKA. ${said}`;
    const at = modelNamed(b.model).heads.findIndex(([id]) => id === b.id);
    const { images, median, high } = modelNamed(a.model);
    const chance = Math.sqrt(a.relatives.dimension * b.relatives.dimension) / Math.max(1, images - 1);
    const yardstick =
      same && median !== null
        ? ` Two heads of this model have a median CKA of ${decimal(median)}, and 95% of the pairs at most ${decimal(high)}.`
        : "";
    return [
      make("b", {}, `CKA ${decimal(values[at])}`),
      ` over ${images.toLocaleString("en-GB")} images; by chance ${decimal(chance, 3)}.${yardstick} ${said}`,
    ];
  }

  /** Links that set the heads nearest to the first one beside it. */
  function nearest(a, b) {
    const found = a.model === b.model ? a.relatives : a.other_relatives[b.model];
    if (!found?.by_cka.length) return [];
    const links = found.by_cka.map(({ head, cka }) => {
      const other = { model: b.model, id: head };
      const link = make("a", { href: fragmentOf(a, other) }, head);
      return make("li", {}, link, ` ${decimal(cka)}`);
    });
    return [
      make("p", {}, `Nearest to ${a.id} of ${a.model} in ${b.model}, by CKA:`),
      make("ul", { class: "chips" }, ...links),
    ];
  }

  function introduction(head) {
    const label = head.label.text ?? "No label";
    const sure = head.label.confidence;
    return make(
      "div",
      {},
      make("h3", { class: "name" }, make("a", { href: headPage(head), "aria-label": `${head.id} of ${head.model}` }, head.id), ` ${label}`),
      make(
        "p",
        {},
        `${head.model}. ${sure === null ? "" : `Confidence ${percent(sure)}. `}` +
          `${percent(head.variance_share, 2)} of the variance, rank ${head.rank} of ${head.heads}; ` +
          `mean share ${percent(head.mean_share, 2)}; descriptions explain ${percent(head.explained)} of the head’s variance.`,
      ),
    );
  }

  function images(head) {
    return make(
      "ul",
      { class: "grid-of-images" },
      ...head.strongest.slice(0, 8).map(({ image }) =>
        make(
          "li",
          {},
          make(
            "a",
            {
              class: "thumb",
              href: `${root}${encodeURIComponent(head.model)}/images/${image}/index.html`,
              "aria-label": `${image.replaceAll("-", " ")} in ${head.model}`,
            },
            make("img", {
              src: `${root}gallery/small/${image}.webp`,
              alt: "",
              width: 240,
              height: 240,
              loading: "lazy",
            }),
          ),
        ),
      ),
    );
  }

  function descriptions(head, other) {
    const texts = new Set(other.descriptions.map(({ text }) => text));
    const properties = new Set(other.descriptions.map(({ property }) => property));
    return make(
      "ol",
      { class: "texts" },
      ...head.descriptions.map(({ text, property, share }) => {
        const both = texts.has(text);
        const notes = [property, both ? "describes both" : properties.has(property) && property ? "property of both" : ""];
        return make(
          "li",
          both ? { class: "both" } : {},
          make("span", {}, text),
          make("span", { class: "number" }, percent(share, 1)),
          make("small", {}, notes.filter(Boolean).join(" · ")),
        );
      }),
    );
  }

  function profiles(a, b) {
    const names = { ...modelNamed(a.model).changes, ...modelNamed(b.model).changes };
    const effects = [a, b].map(
      (head) => new Map((head.profile?.effects ?? []).map((effect) => [effect.transform, effect])),
    );
    const all = effects.flatMap((own) => [...own.values()].map(({ ratio }) => ratio));
    if (!all.length) return [make("p", {}, "Neither head has a causal profile.")];
    const largest = Math.max(...all);
    const rows = Object.entries(names).map(([name, title]) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, title),
        ...effects.map((own) => {
          const effect = own.get(name);
          if (!effect) return make("td", {}, "–");
          const number = make("span", { class: "number" }, `${decimal(effect.ratio, 1)} ×`);
          const cell = make("td", {}, make("div", { class: "measured" }, bar(effect.ratio, largest), number));
          if (effect.stands_out) cell.append(make("span", { class: "match" }, "stands out"));
          return cell;
        }),
      ),
    );
    const heading = (head) => make("th", { scope: "col" }, `${head.id} of ${head.model}`);
    return [
      make(
        "table",
        { class: "two-profiles" },
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Change"), heading(a), heading(b))),
        make("tbody", {}, ...rows),
      ),
    ];
  }

  function show(a, b) {
    const measured = make("p", { class: "similarity" });
    measured.append(...[similarity(a, b)].flat());
    pair.replaceChildren(
      measured,
      ...nearest(a, b),
      make(
        "div",
        { class: "pair" },
        introduction(a),
        introduction(b),
        make("h3", {}, "Top images"),
        images(a),
        images(b),
        make("h3", {}, "Descriptions, with the share of variance that each explains"),
        descriptions(a, b),
        descriptions(b, a),
        make("h3", {}, "What moves them, relative to the mean head of the model"),
        ...profiles(a, b),
      ),
    );
    document.title = `${a.id} of ${a.model} and ${b.id} of ${b.model} · CLIP Head Atlas`;
    status.textContent = "";
  }

  const title = document.title;
  let latest = 0;
  async function follow(state) {
    // A link to a section of the page leaves the heads as they are.
    if (location.hash.length > 1 && !state.has("a") && !state.has("b")) return;
    if (!state.has("a") && !state.has("b")) {
      latest += 1;
      say("");
      pair.replaceChildren();
      document.title = title;
      status.textContent = "Choose two heads, or a pair from the lists below.";
      return;
    }
    const mine = (latest += 1);
    const [a, b] = [headIn(state, "a"), headIn(state, "b")];
    status.textContent = "";
    for (const [side, head] of [["a", a], ["b", b]]) if (!head.fault) fill(side, head);
    if (a.fault || b.fault) {
      say([a.fault, b.fault].filter(Boolean).join(" "));
      return;
    }
    say("");
    status.textContent = "Loading…";
    try {
      const heads = await Promise.all([loadHead(a), loadHead(b)]);
      if (mine === latest) show(...heads);
    } catch (error) {
      if (mine !== latest) return;
      status.textContent = "";
      say(`The heads could not be loaded. Reload the page to try again. ${error.message}`);
    }
  }

  for (const side of ["a", "b"]) {
    field(side, "model").replaceChildren(
      ...models.map(({ name }) => make("option", { value: name }, name)),
    );
    offerHeads(side);
    field(side, "model").addEventListener("change", () => offerHeads(side));
  }
  const second = models[0].heads[1] ?? models[0].heads[0];
  field("b", "head").value = second[0];
  form.addEventListener("change", () => lead(chosen("a"), chosen("b")));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("exchange").addEventListener("click", () => lead(chosen("b"), chosen("a")));
  document.getElementById("needs-script").hidden = true;
  form.hidden = false;
  // From a link of the lists to the two heads, which are further up.
  document.addEventListener("click", (event) => {
    if (event.target.closest("a[href^='#a=']")) form.scrollIntoView();
  });
  fragmentState.follow(follow);
})();
