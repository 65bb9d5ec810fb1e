/// <reference lib="webworker" />
/**
 * Stands between the page and its static host: sets the headers that isolate the page, and keeps what it was sent, for
 * when there is no network. Requests to other hosts are left alone.
 *
 * @module
 */

/** Tells this site from the one that was here before; the build puts it in. */
declare const SITE_VERSION: string;
/** The site's files, by which it is known without a network what is not there. */
declare const SITE_FILES: readonly string[];

const CACHES = "sae-attribution site ";
const CACHE = CACHES + SITE_VERSION;
/** Which embedders and resources a page lets in: see the HTML standard, cross-origin isolation. */
const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "cross-origin", // for frames in isolated pages of others
};

const scope = globalThis as unknown as ServiceWorkerGlobalScope;
const SCOPE = scope.registration.scope;
const FILES = new Set(["", ...SITE_FILES].map((path) => SCOPE + path));

scope.addEventListener("install", () => void scope.skipWaiting());
scope.addEventListener("activate", (event) => event.waitUntil(begin()));
scope.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(SCOPE)) event.respondWith(answer(event.request));
});

scope.addEventListener("message", (event) => event.waitUntil(keepScripts()));

/** Fetches the scripts that are not kept yet, one after another. */
async function keepScripts(): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const file of FILES) {
    const isWanted = file.startsWith(`${SCOPE}modules/`) && await cache.match(file) === undefined;
    if (isWanted) await fetchOnce(file, cache).catch(() => {}); // without a network there is what there is
  }
}

/** Forgets the sites before, and takes over pages that are open. */
async function begin(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(CACHES) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await scope.clients.claim();
}

async function answer({ url, mode, headers }: Request): Promise<Response> {
  const file = url.replace(/[?#].*$/, "");
  const whole = await wholeOf(file, mode === "navigate");
  const range = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "");
  const isPart = range !== null && whole.status === 200;
  return isPart ? await part(whole, Number(range[1]), Number(range[2])) : isolated(whole);
}

/** Files that are on their way: parts of one are asked for side by side. */
const coming = new Map<string, Promise<Response>>();

/** A file as it was kept, or from the host; a page as the host has it now, if it answers. */
async function wholeOf(url: string, isPage: boolean): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(url);
  if (kept !== undefined && !isPage) return kept;
  try {
    const now = await fetchOnce(url, cache);
    if (kept === undefined) return now;
    if (now.status !== 200) return kept;
    if (await kept.text() !== await now.clone().text()) await forgetAllBut(url, cache);
    return now;
  } catch (error) {
    if (kept !== undefined) return kept;
    if (!FILES.has(url)) return new Response("There is no such file", { status: 404 });
    throw error;
  }
}

/** The host has another site by now, whose page must not be given the files of the one before. */
async function forgetAllBut(url: string, cache: Cache): Promise<void> {
  const others = (await cache.keys()).filter((request) => request.url !== url);
  await Promise.all(others.map((request) => cache.delete(request)));
}

async function fetchOnce(url: string, cache: Cache): Promise<Response> {
  const fetching = coming.get(url) ?? fetchAndKeep(url, cache);
  coming.set(url, fetching);
  try {
    return (await fetching).clone();
  } finally {
    coming.delete(url);
  }
}

async function fetchAndKeep(url: string, cache: Cache): Promise<Response> {
  const response = await fetch(url, { cache: "no-cache" });
  if (response.status === 200) await cache.put(url, response.clone()).catch(() => {}); // the disk is full, say
  return response;
}

function isolated(response: Response): Response {
  if (response.type === "opaqueredirect" || response.status === 0) return response;
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers: withHeaders(response.headers) });
}

/** Bytes from `first` to `last` of a file. */
async function part(whole: Response, first: number, last: number): Promise<Response> {
  const bytes = await whole.blob();
  const { size } = bytes;
  const headers = withHeaders(whole.headers);
  headers.delete("content-length");
  headers.delete("content-encoding");
  if (first >= size) {
    headers.set("content-range", `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  const end = Math.min(last, size - 1);
  headers.set("content-range", `bytes ${first}-${end}/${size}`);
  return new Response(bytes.slice(first, end + 1), { status: 206, headers });
}

function withHeaders(headers: Headers): Headers {
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(HEADERS)) all.set(name, value);
  return all;
}
