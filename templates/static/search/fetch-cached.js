// Fetches files whose names hold their content's hash: once fetched they are kept for good, so
// that the page also works without a network.

export const CACHE = "clip-head-atlas-search";

/**
 * @param {string} address absolute
 * @param {{bytes: number, integrity?: string, progress: (done: number) => void}} options `bytes`
 *   is the size of the file, for when the server does not tell it
 * @returns {Promise<Uint8Array>}
 */
export async function fetchCached(address, { bytes, integrity, progress }) {
  // Where a page is not served securely there is no Cache Storage; the HTTP cache must do.
  const cache = globalThis.caches ? await caches.open(CACHE).catch(() => null) : null;
  const kept = await cache?.match(address);
  if (kept) return new Uint8Array(await kept.arrayBuffer());
  let response;
  try {
    response = await fetch(address, integrity ? { integrity, mode: "cors" } : {});
  } catch {
    throw new Error(`${nameOf(address)} could not be loaded; is there a connection?`);
  }
  if (!response.ok) throw new Error(`${nameOf(address)} could not be loaded (${response.status}).`);
  let content = new Uint8Array(bytes);
  let done = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done: finished, value } = await reader.read();
    if (finished) break;
    if (done + value.length > content.length) {
      const larger = new Uint8Array(2 * (done + value.length));
      larger.set(content.subarray(0, done));
      content = larger;
    }
    content.set(value, done);
    done += value.length;
    progress(done);
  }
  content = content.subarray(0, done);
  // A full disk is no reason to fail: the next visit fetches it again.
  await cache?.put(address, new Response(content)).catch(() => {});
  return content;
}

/** Keeps what an address answered, unless the disk is full or the page not served securely. */
export async function keepResponse(address, response) {
  const cache = await globalThis.caches?.open(CACHE).catch(() => null);
  await cache?.put(address, response).catch(() => {});
}

/** Unpacks gzip, unless a server already did so on the way. */
export async function unpack(content) {
  if (content[0] !== 0x1f || content[1] !== 0x8b) return content;
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const nameOf = (address) => address.slice(address.lastIndexOf("/") + 1);
