// The image of a question: one of the gallery, or one of the visitor's own, which stays here.

import { OWN } from "./address.js";
import { addressOf } from "./models.js";
import { picture, smallPicture } from "./site-addresses.js";

const SIDE = 240;

/**
 * Listens to all that chooses an image.
 *
 * @param {HTMLFormElement} form
 * @param {object} page model (the model of the form, null before it is open), open (opens it), take
 *   (has the worker open a file), commit (runs the query of the form) and complain
 */
export function imageChoice(form, { model, open, take, commit, complain }) {
  const field = form.elements.image;
  const preview = document.getElementById("preview");
  const gallery = document.getElementById("gallery");
  const list = gallery.querySelector("ul");
  /** The visitor's own image: a name for it, its file, its size, and a small picture of it. */
  let own = null;
  let taken = 0;

  /** The visitor's own image as the model sees it, as a canvas. */
  function ownPicture() {
    const canvas = document.createElement("canvas");
    canvas.width = own.picture.width;
    canvas.height = own.picture.height;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Your image");
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(own.picture, 0, 0);
    return canvas;
  }

  /** What of the visitor's own image the model sees, in words. */
  function seenOfOwn() {
    const { width, height } = own;
    if (width === height) return "Your image";
    const size = `${width} \u00d7 ${height} pixels`;
    return model()?.preprocessing.resize_mode === "squash"
      ? `Your image of ${size}, squeezed to a square, as the model sees it`
      : `The centred square of your image of ${size}: the model sees no more of it`;
  }

  function smallImage(id, alt) {
    const image = new Image(SIDE, SIDE);
    image.loading = "lazy";
    image.src = smallPicture(id);
    image.alt = alt;
    return image;
  }

  async function takeFile(file) {
    complain("");
    if (!file) return;
    try {
      const { name, files } = await open();
      if (!files.image_encoder) {
        throw new Error(`${name} has no image encoder here; choose an image of the gallery.`);
      }
      const opened = await take(file);
      own?.picture.close();
      taken += 1;
      own = { ...opened, name: `own ${taken}`, file };
      field.value = OWN;
      await commit();
    } catch (error) {
      complain(error.message);
    }
  }

  function listGallery() {
    if (list.children.length || !model()) return;
    list.append(
      ...model().images.map(({ id, title }) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "thumb";
        button.dataset.image = id;
        button.append(smallImage(id, title));
        item.append(button);
        return item;
      }),
    );
  }

  function listenForFiles() {
    const input = form.elements.file;
    input.addEventListener("change", () => {
      takeFile(input.files[0]);
      input.value = "";
    });
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (file) {
        event.preventDefault();
        takeFile(file);
      }
    });
    const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      form.classList.add("receives");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) form.classList.remove("receives");
    });
    document.addEventListener("drop", (event) => {
      form.classList.remove("receives");
      if (!holdsFile(event)) return;
      event.preventDefault();
      takeFile(event.dataTransfer.files[0]);
    });
  }

  function listenToGallery() {
    gallery.addEventListener("toggle", async () => {
      if (!gallery.open) return;
      try {
        await open();
        listGallery();
      } catch (error) {
        complain(error.message);
      }
    });
    gallery.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-image]");
      if (!button) return;
      field.value = button.dataset.image;
      gallery.open = false;
      gallery.querySelector("summary").focus();
      commit();
    });
    document.getElementById("no-image").addEventListener("click", () => {
      field.value = "";
      gallery.querySelector("summary").focus();
      commit();
    });
  }

  return {
    listen() {
      listenForFiles();
      listenToGallery();
    },

    /** Lists the gallery anew, for another model. */
    changeModel() {
      list.replaceChildren();
      if (gallery.open) listGallery();
    },

    /** The image that a question names, for the worker; says why there is none. */
    find(name, { images }) {
      if (name === OWN) {
        if (own) return { own: own.name, file: own.file };
        complain(
          "This address was made with an image that stayed on its owner's computer. " +
            "Choose an image of your own, or one of the gallery.",
        );
        return null;
      }
      const index = images.findIndex(({ id }) => id === name);
      if (index >= 0) return { index, address: addressOf(picture(name)) };
      complain(`The gallery has no image named ${name}.`);
      return null;
    },

    ownPicture,

    /** Shows in the form the image that a question names. */
    show(name) {
      const holder = preview.querySelector(".thumb");
      preview.hidden = !name || (name === OWN && !own);
      if (preview.hidden) return;
      const title = preview.querySelector("figcaption span");
      if (name === OWN) {
        holder.replaceChildren(ownPicture());
        title.textContent = seenOfOwn();
        return;
      }
      holder.replaceChildren(smallImage(name, ""));
      title.textContent = model()?.images.find(({ id }) => id === name)?.title ?? name;
    },
  };
}
