// The page's side of the worker: questions as promises, with word of what is being loaded.

/**
 * Starts the worker when it is first needed, and another one if it was lost.
 *
 * @param {(file: {address: string, what: string, done: number, total: number}) => void} progress
 * @returns {(method: string, source: object, ...args: unknown[]) => Promise<any>} calls a method of
 *   worker.js of the model that `source` describes
 */
export function startEngine(progress) {
  const waiting = new Map();
  let worker = null;
  let number = 0;

  /** Gives the worker up, with all its pending requests. */
  function lose(message) {
    worker.terminate();
    worker = null;
    for (const { reject } of waiting.values()) reject(new Error(message));
    waiting.clear();
  }

  function start() {
    const made = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    made.addEventListener("message", ({ data }) => {
      if (made !== worker) return;
      if (data.progress) {
        progress(data.progress);
        return;
      }
      const { resolve, reject } = waiting.get(data.number);
      waiting.delete(data.number);
      if ("error" in data) reject(new Error(data.error));
      else resolve(data.result);
      if (data.lost) lose(data.error);
    });
    made.addEventListener("error", (event) => {
      event.preventDefault();
      if (made !== worker) return;
      const reason = event.message ? ` (${event.message})` : "";
      lose(`What computes on this page stopped or could not be loaded${reason}. Search again to start it anew.`);
    });
    return made;
  }

  return (method, source, ...args) =>
    new Promise((resolve, reject) => {
      worker ??= start();
      number += 1;
      waiting.set(number, { resolve, reject });
      worker.postMessage({ number, method, source, args });
    });
}
