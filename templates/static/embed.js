// The page in a frame of another site: `?embed` leaves its title and first section,
// `?embed=descriptions,topics` its title and those sections.
const framed = new URLSearchParams(location.search).get("embed");
if (framed !== null) {
  const paragraph = (...content) => {
    const made = document.createElement("p");
    made.append(...content);
    return made;
  };
  const main = document.querySelector("main");
  const sections = [...main.querySelectorAll(":scope > section[id]")];
  const names = framed.split(",").map((name) => name.trim()).filter(Boolean);
  const shown = names.length ? sections.filter(({ id }) => names.includes(id)) : sections.slice(0, 1);
  const missing = names.filter((name) => !sections.some(({ id }) => id === name));
  for (const section of shown) section.classList.add("chosen");
  document.documentElement.classList.add("embedded");
  // Else the arrow keys would lead to another head, in full.
  document.querySelector(".compass")?.remove();

  const whole = new URL(location.href);
  whole.search = "";
  whole.hash = "";
  const link = document.createElement("a");
  link.href = whole.href;
  link.textContent = `Full page: ${document.title}`;
  main.append(paragraph(link));
  if (missing.length) {
    const ids = sections.map(({ id }) => id).join(", ");
    main.append(paragraph(`No section “${missing.join("”, “")}” here; there are ${ids}.`));
  }

  // Links leave the frame, but those to what it shows.
  for (const each of document.querySelectorAll("a[href]")) {
    const fragment = each.getAttribute("href").startsWith("#") && each.hash.slice(1);
    if (fragment && document.getElementById(fragment)?.closest(".chosen")) continue;
    if (fragment) each.href = `${whole.href}#${fragment}`;
    each.target = "_blank";
  }
}
