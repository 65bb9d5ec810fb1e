/**
 * The files of the page: an explicit list, so that no request can name another file.
 *
 * @module
 */
import { cached } from "../concurrency.ts";
import * as report from "../report/client/built.ts";
import * as page from "./page/built.ts";

/** A file as it is sent. */
export interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

/** By path: the type, and the text or where the file is from here. The report's parts are there to be saved in a file. */
const ASSETS: ReadonlyMap<string, readonly [type: string, content: string | URL]> = new Map<
  string,
  readonly [type: string, content: string | URL]
>([
  ["/", ["text/html; charset=utf-8", new URL("./page/index.html", import.meta.url)]],
  ["/icon.svg", ["image/svg+xml", new URL("./page/icon.svg", import.meta.url)]],
  ["/page.js", [SCRIPT, page.SCRIPT]],
  ["/page.css", [STYLE, page.STYLE]],
  ["/report.js", [SCRIPT, report.SCRIPT]],
  ["/report.css", [STYLE, report.STYLE]],
  ["/api/openapi.json", ["application/json", new URL("./api/openapi.json", import.meta.url)]],
]);

const read = new Map<string, Promise<Asset>>();

/** The file at a path, if there is one. It is read once, from disk or from where this module came from. */
export function findAsset(path: string): Promise<Asset> | undefined {
  const entry = ASSETS.get(path);
  if (!entry) return undefined;
  const [type, content] = entry;
  return cached(read, path, async () => ({ type, bytes: await readBytes(content) }));
}

/** The paths of all files. */
export function assetPaths(): string[] {
  return [...ASSETS.keys()];
}

async function readBytes(content: string | URL): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof content === "string") return new TextEncoder().encode(content);
  if (content.protocol === "file:") return await Deno.readFile(content);
  const response = await fetch(content);
  if (!response.ok) throw new Error(`Cannot read ${content}: ${response.status} ${response.statusText}`);
  return await response.bytes();
}
