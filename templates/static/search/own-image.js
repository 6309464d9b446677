// Opens an image of the visitor's own, upright and without its colour profile, as the gallery's
// images are opened; refuses what is too large or no image, in a sentence that says so.

export const MAX_BYTES = 30_000_000;
export const MAX_PIXELS = 50_000_000;

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/**
 * @param {Blob} file
 * @returns {Promise<ImageBitmap>}
 */
export async function openImage(file) {
  if (file.size > MAX_BYTES) {
    throw new Error(
      `This file has ${megabytes(file.size)}; images of up to ${megabytes(MAX_BYTES)} can be opened.`,
    );
  }
  if (file.type && !file.type.startsWith("image/")) {
    throw new Error(
      `This file is not an image (${file.type}); JPEG, PNG, WebP, GIF and AVIF can be opened.`,
    );
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error(
      "This file cannot be read as an image: it is damaged, or of a kind that this browser " +
        "does not know. JPEG, PNG, WebP, GIF and AVIF can be opened.",
    );
  }
  if (bitmap.width * bitmap.height > MAX_PIXELS) {
    const size = `${bitmap.width} × ${bitmap.height}`;
    bitmap.close();
    throw new Error(`This image has ${size} pixels; up to ${MAX_PIXELS / 1e6} million can be opened.`);
  }
  return bitmap;
}

const PREVIEW = 240;

/**
 * A small picture of what a model sees of an image file, with the image's size.
 *
 * @param {Blob} file
 * @param {{resize_mode: string}} preprocessing
 * @returns {Promise<{width: number, height: number, picture: ImageBitmap}>}
 */
export async function preview(file, { resize_mode: mode }) {
  const bitmap = await openImage(file);
  const { width, height } = bitmap;
  const [seenWidth, seenHeight] = mode === "squash" ? [width, height] : Array(2).fill(Math.min(width, height));
  const picture = await createImageBitmap(
    bitmap,
    Math.floor((width - seenWidth) / 2),
    Math.floor((height - seenHeight) / 2),
    seenWidth,
    seenHeight,
    { resizeWidth: PREVIEW, resizeHeight: PREVIEW, resizeQuality: "high" },
  );
  bitmap.close();
  return { width, height, picture };
}

/** The image's pixels, RGBA of 8 bits. */
export function pixelsOf(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}
