// open_clip's preprocessing: Pillow's antialiased resize in its 8-bit fixed point, the centred
// crop, and normalisation in float32.

const PRECISION = 22; // bits behind the point in Pillow's coefficients
const FILTERS = {
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
};

function cubic(x) {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** RGBA as decoded, [pixels x 4], to RGB on white, [pixels x 3], as Pillow composites. */
export function onWhite(rgba) {
  const rgb = new Uint8ClampedArray((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const alpha = rgba[from + 3];
    for (let band = 0; band < 3; band += 1, to += 1) {
      const sum = rgba[from + band] * alpha * 128 + 255 * (255 - alpha) * 128 + 128 * 128;
      rgb[to] = alpha === 255 ? rgba[from + band] : (((sum >> 8) + sum) >> 8) >> 7;
    }
  }
  return rgb;
}

/** For every position of the output: where its input begins, and integer coefficients. */
function coefficients(from, to, filter) {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const rows = [];
  for (let at = 0; at < to; at += 1) {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const weights = [];
    let total = 0;
    for (let x = first; x < end; x += 1) {
      const weight = filter.weight((x - centre + 0.5) * (1 / stretch));
      weights.push(weight);
      total += weight;
    }
    const fixed = weights.map((weight) => {
      const share = total === 0 ? weight : weight / total;
      return Math.trunc(share * 2 ** PRECISION + (share < 0 ? -0.5 : 0.5));
    });
    rows.push({ first, fixed });
  }
  return rows;
}

/** One pass: lines of `from` pixels to lines of `to`, over strides that say which way they run. */
function pass(pixels, lines, from, to, filter, { line, step }, out) {
  const result = new Uint8ClampedArray(lines * to * 3);
  const positions = coefficients(from, to, filter);
  for (let n = 0; n < lines; n += 1) {
    for (let at = 0; at < to; at += 1) {
      const { first, fixed } = positions[at];
      for (let band = 0; band < 3; band += 1) {
        let sum = 2 ** (PRECISION - 1);
        let source = n * line + first * step + band;
        for (let k = 0; k < fixed.length; k += 1, source += step) sum += pixels[source] * fixed[k];
        result[n * out.line + at * out.step + band] = sum >> PRECISION;
      }
    }
  }
  return result;
}

/** Pillow's Image.resize of RGB pixels [height x width x 3] to [newHeight x newWidth x 3]. */
export function resize(pixels, width, height, newWidth, newHeight, interpolation) {
  const filter = FILTERS[interpolation];
  if (!filter) throw new Error(`no interpolation named ${interpolation}`);
  const across = (now, lines) => {
    const strides = [{ line: width * 3, step: 3 }, { line: newWidth * 3, step: 3 }];
    return newWidth === width ? now : pass(now, lines, width, newWidth, filter, ...strides);
  };
  const down = (now, columns) => {
    const stride = { line: 3, step: columns * 3 };
    return newHeight === height ? now : pass(now, columns, height, newHeight, filter, stride, stride);
  };
  // Since version 13 Pillow begins with the height where it shrinks far more than the width; the
  // order matters, because 8 bits are all that is left in between.
  const tall = newHeight < height && height - newHeight > 2 * (width - newWidth);
  return tall ? across(down(pixels, width), newHeight) : down(across(pixels, height), newWidth);
}

/** Half to even, as Python rounds. */
function round(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/**
 * What the model sees of an image: RGB pixels [size x size x 3], 8 bits.
 *
 * @param {Uint8ClampedArray} pixels [height x width x 3]
 * @param {{image_size: number, interpolation: string, resize_mode: string}} settings
 */
export function square(pixels, width, height, { image_size: size, interpolation, resize_mode: mode }) {
  if (mode === "squash") return resize(pixels, width, height, size, size, interpolation);
  if (mode !== "shortest") throw new Error(`no way of resizing named ${mode}`);
  const long = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
  const [newWidth, newHeight] = width <= height ? [size, long] : [long, size];
  const resized = resize(pixels, width, height, newWidth, newHeight, interpolation);
  const top = round((newHeight - size) / 2);
  const left = round((newWidth - size) / 2);
  const cropped = new Uint8ClampedArray(size * size * 3);
  for (let row = 0; row < size; row += 1) {
    const start = ((top + row) * newWidth + left) * 3;
    cropped.set(resized.subarray(start, start + size * 3), row * size * 3);
  }
  return cropped;
}

/** Float32 [3 x size x size] for the model, from 8-bit RGB [size x size x 3]. */
export function normalise(pixels, mean, std) {
  const { fround } = Math;
  const area = pixels.length / 3;
  const values = new Float32Array(pixels.length);
  for (let band = 0; band < 3; band += 1) {
    const table = Float32Array.from({ length: 256 }, (_, level) =>
      fround(fround(fround(level / 255) - fround(mean[band])) / fround(std[band])),
    );
    for (let n = 0; n < area; n += 1) values[band * area + n] = table[pixels[n * 3 + band]];
  }
  return values;
}
