// Keeps the page for when there is no network. SHELL, the files that it is made of, is written in
// front of this by the site's generator; what is loaded later is kept when it is loaded.

const CACHE = "clip-head-atlas-search";
const here = new URL("./", location.href).href;
const FOLDERS = [here, new URL("../assets/", here).href];
const HASHED = /-[0-9a-f]{16}\.\w+$/;

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(SHELL.map((path) => new URL(path, here).href));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const cache = await caches.open(CACHE);
    const current = new Set(KEEP.map((path) => new URL(path, here).href));
    // Files of an earlier site, of which the name says by its hash that they never come back.
    for (const { url } of await cache.keys()) {
      // Another atlas may share the host, and with it the cache.
      const ours = FOLDERS.some((folder) => url.startsWith(folder)) && HASHED.test(url);
      if (ours && !current.has(url)) await cache.delete(url);
    }
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  const hashed = HASHED.test(request.url);
  const answer = async () => {
    const cache = await caches.open(CACHE);
    // Links also name the page's file, which opens from disk too; and an address of an earlier
    // version has a question in its query string, which is not sent.
    const { pathname } = new URL(request.url);
    const home = new URL(here).pathname;
    const asksPage = request.mode === "navigate" && [home, `${home}index.html`].includes(pathname);
    const key = asksPage ? here : request;
    const kept = await cache.match(key);
    if (kept && hashed) return kept;
    try {
      const response = await fetch(key);
      const own = asksPage || request.mode !== "navigate";
      if (response.ok && response.type === "basic" && own && !hashed) {
        // The page need not wait until it is kept.
        event.waitUntil(cache.put(key, response.clone()).catch(() => {}));
      }
      return response;
    } catch (error) {
      if (kept) return kept;
      throw error;
    }
  };
  event.respondWith(answer());
});
