/**
 * The files of the page: an explicit list, so that no request can name another file.
 *
 * @module
 */

import { CLIENT_MODULES } from "../report/client.ts";

/** A file as it is sent. */
export interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

/** The page's own modules. */
const PAGE_MODULES = ["main.js", "ask.js", "answers.js", "api.js", "history.js", "state.js", "status.js"];

/** Modules at the places that they have to each other here: they import each other. */
const SCRIPTS = [
  ...PAGE_MODULES.map((name) => `web/page/${name}`),
  ...[...CLIENT_MODULES, "mod.js"].filter((name) => name !== "report.js").map((name) => `report/client/${name}`),
];

/** By path: where the file is from here, and its type. */
const ASSETS: ReadonlyMap<string, readonly [place: string, type: string]> = new Map<
  string,
  readonly [place: string, type: string]
>([
  ["/", ["./page/index.html", "text/html; charset=utf-8"]],
  ["/icon.svg", ["./page/icon.svg", "image/svg+xml"]],
  ["/api/openapi.json", ["./api/openapi.json", "application/json"]],
  ["/web/page/page.css", ["./page/page.css", STYLE]],
  ["/report/client/style.css", ["../report/client/style.css", STYLE]],
  ...SCRIPTS.map((path) => [`/${path}`, [`../${path}`, SCRIPT]] as const),
]);

const read = new Map<string, Promise<Asset>>();

/** The file at a path, if there is one. It is read once, from disk or from where this module came from. */
export function findAsset(path: string): Promise<Asset> | undefined {
  const entry = ASSETS.get(path);
  if (!entry) return undefined;
  if (!read.has(path)) {
    const [place, type] = entry;
    const reading = readBytes(new URL(place, import.meta.url)).then((bytes) => ({ type, bytes }));
    read.set(path, reading);
    reading.catch(() => read.delete(path)); // the next request tries again
  }
  return read.get(path);
}

/** The paths of all files. */
export function assetPaths(): string[] {
  return [...ASSETS.keys()];
}

async function readBytes(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  if (url.protocol === "file:") return await Deno.readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Cannot read ${url}: ${response.status} ${response.statusText}`);
  return await response.bytes();
}
