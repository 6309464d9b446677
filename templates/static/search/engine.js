// The page's side of the worker: questions as promises, with word of what is being loaded.

/**
 * Starts the worker when it is first needed.
 *
 * @param {(what: string, done: number, total: number) => void} progress
 * @returns {(method: string, ...args: unknown[]) => Promise<any>}
 */
export function startEngine(progress) {
  const waiting = new Map();
  let worker = null;
  let number = 0;

  function start() {
    worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => {
      if (data.progress) {
        progress(...data.progress);
        return;
      }
      const { resolve, reject } = waiting.get(data.number);
      waiting.delete(data.number);
      if ("error" in data) reject(new Error(data.error));
      else resolve(data.result);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      const reason = new Error(event.message || "The part that computes could not be loaded.");
      for (const { reject } of waiting.values()) reject(reason);
      waiting.clear();
      worker = null;
    });
  }

  return (method, ...args) =>
    new Promise((resolve, reject) => {
      if (!worker) start();
      number += 1;
      waiting.set(number, { resolve, reject });
      worker.postMessage({ number, method, args });
    });
}
