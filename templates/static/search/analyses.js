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
      const cell = head * images + image;
      for (let i = 0; i < rank; i += 1) {
        directions[cell * rank + i] = rows[row * rank + i] * scales[row];
      }
      norms[cell] = lengths[row];
      shares[cell] = parts[row];
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

/** Indices of the k highest scores, highest first; of equal ones the lower index comes first. */
export function top(scores, k, except = -1) {
  const indices = [];
  for (let index = 0; index < scores.length; index += 1) {
    if (index === except) continue;
    if (indices.length === k && scores[index] <= scores[indices[k - 1]]) continue;
    let rank = indices.length;
    while (rank > 0 && scores[indices[rank - 1]] < scores[index]) rank -= 1;
    indices.splice(rank, 0, index);
    if (indices.length > k) indices.pop();
  }
  return indices;
}

const scored = (indices, scores) => indices.map((image) => ({ image, score: scores[image] }));

/**
 * Per head the images whose contribution is most like a text: ⟨c, t⟩ / (‖c‖ ‖t‖).
 *
 * @param {Float32Array} query [H, r], Bᵀt
 * @param {number} length ‖t‖, of which 0 stands for no direction
 * @param {Float32Array} whole [N], ⟨f/‖f‖, t⟩ of the whole model
 * @returns {{head: number, share: number, neighbours: {image: number, score: number}[]}[]}
 *   `share` is cov(⟨c, t⟩, ⟨f/‖f‖, t⟩) / var⟨f/‖f‖, t⟩ over the gallery: how much of what the model
 *   tells apart along the text is the head's. Over all terms of the model the shares add up to 1
 */
export function textNeighbours(coordinates, query, length, whole, heads, k) {
  const { norms, images, rank } = coordinates;
  const variance = covariance(whole, whole);
  return heads.map((head) => {
    const found = along(coordinates, head, query, head * rank);
    const written = found.map((value, image) => value * norms[head * images + image]);
    const cosines = found.map((value) => (length > 0 ? value / length : 0));
    return {
      head,
      share: variance > 0 ? covariance(written, whole) / variance : 0,
      neighbours: scored(top(cosines, k), cosines),
    };
  });
}

/** The covariance of two lists of numbers [N]. */
function covariance(first, second) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [firstMean, secondMean] = [mean(first), mean(second)];
  return first.reduce((sum, value, n) => sum + (value - firstMean) * (second[n] - secondMean), 0) / first.length;
}

/** Inner products [a·b] of stored vectors [a, b, D] with a vector [D]. */
export function products({ shape: [a, b, width], columns: [scales], rows }, vector) {
  return Float32Array.from({ length: a * b }, (_, row) => {
    let sum = 0;
    for (let d = 0; d < width; d += 1) sum += rows[row * width + d] * vector[d];
    return sum * scales[row];
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
    return { head, neighbours: scored(top(cosines, k, except), cosines) };
  });
}

/** The stored unit vectors [N, 1, D] nearest to a unit vector [D], by cosine. */
export function nearest(stored, own, k, except = -1) {
  const cosines = products(stored, own);
  return scored(top(cosines, k, except), cosines);
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
 * Heat map of a text in one head: ⟨c[n], t⟩ of every patch n.
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
    map[n - 1] = sum;
  }
  return map;
}

/**
 * Heat map of a text, summed over all heads.
 *
 * @param {Float32Array} patches [H, 1 + rows·columns, r]
 * @param {Float32Array} query [H, r]
 */
export function summedMap(patches, query, rank) {
  const heads = query.length / rank;
  const size = patches.length / heads;
  const map = new Float32Array(size / rank - 1);
  for (let head = 0; head < heads; head += 1) {
    const ofHead = topicMap(
      patches.subarray(head * size, (head + 1) * size),
      query.subarray(head * rank, (head + 1) * rank),
    );
    ofHead.forEach((value, n) => (map[n] += value));
  }
  return map;
}
