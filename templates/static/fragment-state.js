// The state of a page in the fragment of its address, such as #filter=red&sort=-variance, so that
// what a reader sees can be sent to others. Shared by the scripts of a page.
const fragmentState = {
  /** What the address says, by name; an anchor says nothing. */
  read() {
    const fragment = location.hash.slice(1);
    return new URLSearchParams(fragment.includes("=") ? fragment : "");
  },
  /** Let the address say other values; an empty one is left out. */
  write(values) {
    const state = fragmentState.read();
    for (const [name, value] of Object.entries(values)) {
      if (value) state.set(name, value);
      else state.delete(name);
    }
    const fragment = state.toString();
    history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
  },
  /** Call `use` with what the address says, now and whenever a reader changes it by hand. */
  follow(use) {
    use(fragmentState.read());
    addEventListener("hashchange", () => use(fragmentState.read()));
  },
};
