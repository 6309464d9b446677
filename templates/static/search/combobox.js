// Completes a text field from a list, by the combobox pattern of the ARIA Authoring Practices.

/**
 * @param {HTMLInputElement} input with role "combobox", and a listbox named by aria-controls
 * @param {(typed: string) => Promise<string[]>} complete
 * @param {(text: string) => void} choose what happens when a text is taken
 */
export function combobox(input, complete, choose) {
  const list = document.getElementById(input.getAttribute("aria-controls"));
  let active = -1;
  let latest = 0;

  function close() {
    latest += 1;
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function move(to) {
    const options = [...list.children];
    options[active]?.setAttribute("aria-selected", "false");
    active = (to + options.length) % options.length;
    options[active].setAttribute("aria-selected", "true");
    options[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[active].id);
  }

  function take(text) {
    input.value = text;
    close();
    choose(text);
  }

  async function open() {
    const mine = (latest += 1);
    const found = await complete(input.value.trim());
    if (mine !== latest || document.activeElement !== input) return;
    list.replaceChildren(
      ...found.map((text, n) => {
        const option = document.createElement("li");
        option.id = `${list.id}-${n}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.textContent = text;
        return option;
      }),
    );
    active = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(found.length > 0));
  }

  input.addEventListener("input", open);
  input.addEventListener("blur", close);
  // Pressing on the list must not take the focus, or the list closes before the click.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(option.textContent);
  });
  input.addEventListener("keydown", (event) => {
    const last = list.children.length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      else if (event.key === "ArrowDown") move(active === last ? 0 : active + 1);
      else move(active <= 0 ? last : active - 1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(active >= 0 && !list.hidden ? list.children[active].textContent : input.value.trim());
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
}
