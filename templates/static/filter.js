// A box that keeps of a list what has all the words typed. The words stand in the address. With
// `data-texts` a script brings further texts of each item, in which is searched as well.
for (const box of document.querySelectorAll("input[data-filters]")) {
  const items = [...document.querySelectorAll(box.dataset.filters)];
  const groups = new Set(items.map((item) => item.parentElement));
  const count = box.closest(".filter-box").querySelector("output");
  const folded = (text) =>
    text.normalize("NFD").replace(/\p{M}/gu, "").replace(/\s+/g, " ").toLowerCase();
  const captions = (item) => [...item.querySelectorAll("img")].map((image) => image.alt);
  const shown = items.map((item) => folded([item.textContent, ...captions(item)].join("\n")));
  let further = items.map(() => []);
  let asked = false;

  // Read when the box is first used: most readers of a long list never need it.
  const bringTexts = () => {
    if (asked || !box.dataset.texts) return;
    asked = true;
    const script = document.createElement("script");
    script.src = box.dataset.texts;
    script.addEventListener("load", () => {
      const { texts, items: own } = window.filterTexts;
      further = own.map((numbers) => numbers.map((number) => texts[number]));
      apply();
    });
    document.head.append(script);
  };

  const apply = () => {
    const words = folded(box.value).trim().split(" ").filter(Boolean);
    if (words.length) bringTexts();
    let found = 0;
    items.forEach((item, index) => {
      const inSight = words.every((word) => shown[index].includes(word));
      const all = inSight ? "" : folded([shown[index], ...further[index]].join("\n"));
      const fits = inSight || words.every((word) => all.includes(word));
      item.hidden = !fits;
      if (fits) found += 1;
      item.querySelector(".because")?.remove();
      if (fits && !inSight) {
        const why = document.createElement("span");
        why.className = "because";
        why.textContent = further[index].find((text) =>
          words.some((word) => folded(text).includes(word)),
        );
        item.append(why);
      }
    });
    for (const group of groups) {
      const section = group.closest(".index");
      if (section) section.hidden = ![...group.children].some((item) => !item.hidden);
    }
    count.textContent = words.length
      ? `${found} of ${items.length} ${box.dataset.noun}${items.length === 1 ? "" : "s"}`
      : "";
  };

  box.addEventListener("focus", bringTexts);
  box.addEventListener("input", () => {
    fragmentState.write({ filter: box.value });
    apply();
  });
  fragmentState.follow((state) => {
    if (state.has("filter") || box.value) box.value = state.get("filter") ?? "";
    apply();
  });
  box.closest(".filter-box").hidden = false;
}
