/// <reference lib="dom" />
/**
 * Cross-origin isolation, without which a page has no shared memory and so no threads: a service worker sets the headers
 * that a static host does not.
 *
 * @module
 */

/** A page that cannot be isolated is loaded no second time. */
const TRIED = "sae-attribution isolation";
/** A browser that installs a service worker in longer than this goes on without threads, until it is opened again. */
const PATIENCE_MS = 2000;

/**
 * Makes the page isolated where that can be, which loads it once more. A page in a frame is what the page around it is.
 */
export async function becomeIsolated(): Promise<void> {
  if (globalThis.crossOriginIsolated || globalThis.self !== globalThis.top) return;
  const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer }; // none without https
  if (serviceWorker === undefined) return;
  const installed = serviceWorker.register(new URL("service_worker.js", document.baseURI)).then(() =>
    serviceWorker.ready
  );
  const isInTime = await Promise.race([
    installed.then(() => true, () => false), // refused, as in a private window: one thread, then
    new Promise<boolean>((resolve) => setTimeout(resolve, PATIENCE_MS, false)),
  ]);
  if (!isInTime || !isFirstTry()) return;
  location.reload();
  await new Promise(() => {}); // nothing is begun before
}

function isFirstTry(): boolean {
  try {
    const isFirst = sessionStorage.getItem(TRIED) === null;
    sessionStorage.setItem(TRIED, "yes");
    return isFirst;
  } catch {
    return false; // where nothing is kept, it would be loaded for ever
  }
}
