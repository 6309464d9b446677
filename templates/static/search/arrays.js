// Reads the files of rows that an export writes for the browser.

/** Bytes before the columns. */
const HEADER = 32;

/**
 * Rows of int16 with float32 columns, as docs/search-format.md says.
 *
 * @param {Uint8Array} content
 * @returns {{shape: number[], columns: Float32Array[], rows: Int16Array}} shape [a, b, c]; each
 *   column [a, b]; rows [a, b, c]. A value is its row's number times the first column, the scale
 */
export function readRows(content) {
  const damaged = new Error("A file of this atlas is damaged, or of a version that this page cannot read.");
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  if (content.length < HEADER || view.getUint32(0) !== 0x4841544c || view.getUint32(4, true) !== 1) {
    throw damaged;
  }
  const [a, b, c, m] = [8, 12, 16, 20].map((at) => view.getUint32(at, true));
  if (content.length !== HEADER + 4 * m * a * b + 2 * a * b * c) throw damaged;
  // The bytes may lie anywhere in a larger buffer; a copy begins where numbers may begin.
  const { buffer } = content.byteOffset % 4 ? content.slice() : content;
  const start = content.byteOffset % 4 ? HEADER : content.byteOffset + HEADER;
  return {
    shape: [a, b, c],
    columns: Array.from({ length: m }, (_, n) => new Float32Array(buffer, start + 4 * n * a * b, a * b)),
    rows: new Int16Array(buffer, start + 4 * m * a * b, a * b * c),
  };
}

/** The values of one row [c]. */
export function rowOf({ shape: [, , width], columns: [scale], rows }, row) {
  return Float32Array.from(rows.subarray(row * width, (row + 1) * width), (value) => value * scale[row]);
}
