// The analyses of the atlas on coordinates y = Bᵀc, in which inner products between what heads
// write, and with a text t through Bᵀt, are exact.

/**
 * What H heads write for the N images of a gallery, in rows of one head after the other.
 *
 * @typedef {{directions: Float32Array, norms: Float32Array, shares: Float32Array, images: number,
 *   heads: number, rank: number}} Coordinates directions y/‖y‖ [H, N, r], norms ‖y‖ [H, N] and
 *   shares of the embeddings [H, N]
 */

/** The gallery's coordinates from the file that holds them, [N, H, r]. */
export function arrange({ shape: [images, heads, rank], columns: [scales, lengths, parts], rows }) {
  const directions = new Float32Array(rows.length);
  const norms = new Float32Array(heads * images);
  const shares = new Float32Array(heads * images);
  for (let image = 0; image < images; image += 1) {
    for (let head = 0; head < heads; head += 1) {
      const row = image * heads + head;
      const place = head * images + image;
      for (let i = 0; i < rank; i += 1) {
        directions[place * rank + i] = rows[row * rank + i] * scales[row];
      }
      norms[place] = lengths[row];
      shares[place] = parts[row];
    }
  }
  return { directions, norms, shares, images, heads, rank };
}

/** Inner products [N] of all images' directions in a head with a query [r] at `offset`. */
function along({ directions, images, rank }, head, query, offset) {
  const found = new Float32Array(images);
  let at = head * images * rank;
  for (let image = 0; image < images; image += 1) {
    let sum = 0;
    for (let i = 0; i < rank; i += 1, at += 1) sum += directions[at] * query[offset + i];
    found[image] = sum;
  }
  return found;
}

/** Places of the k highest scores, highest first; of equal ones the lower place comes first. */
export function top(scores, k, except = -1) {
  const places = [];
  for (let place = 0; place < scores.length; place += 1) {
    if (place === except) continue;
    if (places.length === k && scores[place] <= scores[places[k - 1]]) continue;
    let at = places.length;
    while (at > 0 && scores[places[at - 1]] < scores[place]) at -= 1;
    places.splice(at, 0, place);
    if (places.length > k) places.pop();
  }
  return places;
}

const named = (places, scores) => places.map((image) => ({ image, score: scores[image] }));

/**
 * Per head the images whose contribution is most like a text: ⟨c, t⟩ / (‖c‖ ‖t‖).
 *
 * @param {Float32Array} query [H, r], Bᵀt of a unit text
 * @returns {{head: number, spread: number, neighbours: {image: number, score: number}[]}[]}
 *   `spread` is the standard deviation of ⟨c, t⟩ over the gallery: how much the head tells images
 *   apart along the text, the quantity by which TEXTSPAN picks
 */
export function textNeighbours(coordinates, query, heads, k) {
  const { norms, images, rank } = coordinates;
  return heads.map((head) => {
    const cosines = along(coordinates, head, query, head * rank);
    let sum = 0;
    let squares = 0;
    for (let image = 0; image < images; image += 1) {
      const product = cosines[image] * norms[head * images + image];
      sum += product;
      squares += product * product;
    }
    const variance = squares / images - (sum / images) ** 2;
    return {
      head,
      spread: Math.sqrt(Math.max(0, variance)),
      neighbours: named(top(cosines, k), cosines),
    };
  });
}

/** Directions [H, r] of one image of the gallery. */
export function directionsOf({ directions, images, heads, rank }, image) {
  const found = new Float32Array(heads * rank);
  for (let head = 0; head < heads; head += 1) {
    const from = (head * images + image) * rank;
    found.set(directions.subarray(from, from + rank), head * rank);
  }
  return found;
}

/** Vectors [n, width], each brought to unit length; one of zeros stays. */
export function normalised(vectors, width) {
  const found = new Float32Array(vectors.length);
  for (let from = 0; from < vectors.length; from += width) {
    let squares = 0;
    for (let i = from; i < from + width; i += 1) squares += vectors[i] * vectors[i];
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = from; i < from + width; i += 1) found[i] = vectors[i] * scale;
  }
  return found;
}

/** Per head the gallery's images with the most similar contribution to directions [H, r]: cosines. */
export function imageNeighbours(coordinates, own, heads, k, except = -1) {
  return heads.map((head) => {
    const cosines = along(coordinates, head, own, head * coordinates.rank);
    return { head, neighbours: named(top(cosines, k, except), cosines) };
  });
}

/** Images nearest by a property: cosines of a unit vector [D] with the gallery's unit rows. */
export function propertyNeighbours({ shape: [images, , width], columns: [scales], rows }, own, k, except = -1) {
  const cosines = new Float32Array(images);
  for (let image = 0; image < images; image += 1) {
    let sum = 0;
    for (let d = 0; d < width; d += 1) sum += rows[image * width + d] * own[d];
    cosines[image] = sum * scales[image];
  }
  return named(top(cosines, k, except), cosines);
}

/** The mean of some heads' contributions [H, D], at unit length [D]. */
export function meanContribution(contributions, heads, width) {
  const sum = new Float32Array(width);
  for (const head of heads) {
    for (let d = 0; d < width; d += 1) sum[d] += contributions[head * width + d];
  }
  return normalised(sum, width);
}

/** How much of an image's unit embedding [D] each head makes, from contributions [H, D]. */
export function shares(contributions, embedding) {
  const width = embedding.length;
  return Float32Array.from({ length: contributions.length / width }, (_, head) =>
    embedding.reduce((sum, value, d) => sum + value * contributions[head * width + d], 0),
  );
}

/**
 * Heat map of a text in one head: tokens × ⟨c[n], t⟩ over the patches.
 *
 * @param {Float32Array} tokens [1 + rows·columns, r] of the head, class token first
 * @param {Float32Array} query [r]
 * @returns {Float32Array} [rows·columns]
 */
export function topicMap(tokens, query) {
  const rank = query.length;
  const count = tokens.length / rank;
  const map = new Float32Array(count - 1);
  for (let n = 1; n < count; n += 1) {
    let sum = 0;
    for (let i = 0; i < rank; i += 1) sum += tokens[n * rank + i] * query[i];
    map[n - 1] = sum * count;
  }
  return map;
}

/**
 * Heat map of the first text minus the second, summed over all heads.
 *
 * @param {Float32Array} patches [H, 1 + rows·columns, r]
 * @param {Float32Array} first [H, r]
 * @param {Float32Array} second [H, r]
 */
export function contrastMap(patches, first, second, rank) {
  const heads = first.length / rank;
  const size = patches.length / heads;
  const map = new Float32Array(size / rank - 1);
  for (let head = 0; head < heads; head += 1) {
    const query = first
      .subarray(head * rank, (head + 1) * rank)
      .map((value, i) => value - second[head * rank + i]);
    topicMap(patches.subarray(head * size, (head + 1) * size), query).forEach((value, n) => (map[n] += value));
  }
  return map;
}
