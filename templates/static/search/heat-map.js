// Draws heat maps over pictures in the colours of the rest of the atlas.

/** The largest absolute value of a map. */
export const peak = (map) => map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Where a map is strongest, in words. */
export function strongestRegion(map, rows, columns) {
  if (!peak(map)) return "nowhere";
  let best = 0;
  map.forEach((value, n) => {
    if (value > map[best]) best = n;
  });
  const vertical = ["top", "middle", "bottom"][Math.floor((Math.floor(best / columns) * 3) / rows)];
  const horizontal = ["left", "centre", "right"][Math.floor(((best % columns) * 3) / columns)];
  return vertical === "middle" && horizontal === "centre" ? "centre" : `${vertical} ${horizontal}`;
}

/**
 * A canvas of one pixel for each patch, to be stretched over the picture.
 *
 * @param {Float32Array} map [rows·columns]
 * @param {{warm: number[], cool: number[], opaque: number}} colours of positive and of negative
 *   values, and the alpha of the largest
 */
export function drawMap(map, rows, columns, { warm, cool, opaque }) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  canvas.className = "map";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Heat map, strongest ${strongestRegion(map, rows, columns)}`);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const most = peak(map);
  map.forEach((value, n) => {
    pixels.data.set(value < 0 ? cool : warm, 4 * n);
    pixels.data[4 * n + 3] = most ? Math.round((Math.abs(value) / most) * opaque) : 0;
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}
