// Draws heat maps over pictures in the colours of the rest of the atlas.

const WARM = [232, 62, 18];
const COOL = [24, 104, 232];
const OPAQUE = 184; // the largest value stays transparent enough for the photograph

/** The largest absolute value of a map. */
export const peak = (map) => map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Where a map is strongest, in words. */
export function place(map, rows, columns) {
  if (!peak(map)) return "nowhere";
  let best = 0;
  map.forEach((value, n) => {
    if (value > map[best]) best = n;
  });
  const vertical = ["top", "middle", "bottom"][Math.floor((Math.floor(best / columns) * 3) / rows)];
  const horizontal = ["left", "centre", "right"][Math.floor(((best % columns) * 3) / columns)];
  return vertical === "middle" && horizontal === "centre" ? "centre" : `${vertical} ${horizontal}`;
}

/** A canvas of one pixel for each patch, to be stretched over the picture. */
export function drawMap(map, rows, columns) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  canvas.className = "map";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Heat map, strongest ${place(map, rows, columns)}`);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const most = peak(map);
  map.forEach((value, n) => {
    pixels.data.set(value < 0 ? COOL : WARM, 4 * n);
    pixels.data[4 * n + 3] = most ? Math.round((Math.abs(value) / most) * OPAQUE) : 0;
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}
