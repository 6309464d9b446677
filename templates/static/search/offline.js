// Keeps the page and its pictures for when there is no network.

import { CACHE } from "./fetch-cached.js";

let registered = false;

/** Registers the service worker, once. */
export function keepOffline() {
  if (registered || !("serviceWorker" in navigator)) return;
  registered = true;
  // Where it may not be registered the page works all the same, as long as there is a network.
  navigator.serviceWorker.register("sw.js").catch(() => {});
}

/** Keeps the pictures that are shown, as the service worker keeps those that come later. */
export async function keepPictures(element) {
  if (!("serviceWorker" in navigator) || !globalThis.caches) return;
  await navigator.serviceWorker.ready;
  const cache = await caches.open(CACHE);
  for (const { src } of element.querySelectorAll("img")) {
    if (!(await cache.match(src))) await cache.add(src).catch(() => {});
  }
}
