// Where the site was made without its address, citations say only a path until a page is opened from
// a server: then it knows. It goes before copy.js, so that what is copied is what stands there.
const served = location.protocol === "https:" || location.protocol === "http:";
const here = location.origin + location.pathname.replace(/index\.html$/, "");
if (served) {
  const home = document.querySelector(".brand").href.replace(/index\.html$/, "");
  for (const text of document.querySelectorAll("[data-later]")) {
    text.textContent = text.dataset.later.replaceAll("{address}", here).replaceAll("{site}", home);
  }
}

// A button beside each format that reference managers open as a file.
for (const text of document.querySelectorAll("[data-file]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `Save .${text.dataset.file.split(".").at(-1)}`;
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${text.textContent}\n`]));
    link.download = text.dataset.file;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  text.after(button);
}
