// What is chosen on a page, by named radio buttons and lists, stands in its address. The choices
// themselves work without this script.
{
  const inputs = [...document.querySelectorAll("input[type=radio][name], select[name]")];
  const choose = (state) => {
    for (const input of inputs) {
      const wanted = state.get(input.name) ?? "";
      if (input.type === "radio") input.checked = input.value === wanted;
      else if ([...input.options].some(({ value }) => value === wanted)) input.value = wanted;
    }
    if (inputs.some((input) => state.has(input.name))) {
      inputs[0].closest("section").scrollIntoView();
    }
  };
  for (const input of inputs) {
    input.addEventListener("change", () => fragmentState.write({ [input.name]: input.value }));
  }
  // Choices that the browser kept from an earlier visit yield to the address only if it says any.
  const state = fragmentState.read();
  if (inputs.some((input) => state.has(input.name))) choose(state);
  addEventListener("hashchange", () => choose(fragmentState.read()));
}
