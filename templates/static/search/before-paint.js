// Runs before anything is shown. A question stands in the fragment, which browsers do not send; one
// in the query string, as in addresses of earlier versions, is moved there at once.
if (location.search.length > 1) {
  const question = location.hash.includes("=") ? location.hash : `#${location.search.slice(1)}`;
  history.replaceState(history.state, "", location.pathname + question);
}
// What stands below the answers starts below the screen, so that it does not jump when they come.
if (/[#&](text|image)=./.test(location.hash)) document.documentElement.classList.add("asks");
