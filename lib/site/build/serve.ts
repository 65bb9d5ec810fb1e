/**
 * A static host for a try at home: the files of a directory, as they are.
 *
 * @module
 */
import { type Handler, type HttpServer, serveHttp } from "../../web/node_http.ts";
import { filesBelow } from "./files_below.ts";

/** Where and how it is served. */
export interface StaticOptions {
  readonly hostname?: string;
  /** Default 0: any that is free. */
  readonly port?: number;
  /** The path below which the files are, as on a host with many sites. Default `/`. */
  readonly base?: string;
  /** Hears of every path that is asked for. */
  readonly onRequest?: (path: string) => void;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
};

/**
 * Serves a directory's files until it is closed; no header says more than a plain static host's.
 *
 * @throws {Error} with the code `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL` if it cannot listen there
 */
export async function serveStatic(directory: string, options: StaticOptions = {}): Promise<HttpServer> {
  const { hostname = "127.0.0.1", port = 0, base = "/", onRequest = () => {} } = options;
  // All that can be asked for.
  const files = new Map(filesBelow(directory).map((path) => [base + path, `${directory}/${path}`]));
  files.set(base, `${directory}/index.html`);
  const handler: Handler = async (request) => {
    const { pathname } = new URL(request.url);
    onRequest(pathname);
    const file = files.get(pathname);
    if (file === undefined) return new Response("There is no such file", { status: 404 });
    if (!["GET", "HEAD"].includes(request.method)) return new Response("Only GET", { status: 405 });
    return respond(await Deno.readFile(file), typeOf(file), request.headers.get("range"));
  };
  return await serveHttp(handler, { hostname, port });
}

function typeOf(file: string): string {
  return TYPES[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}

/** A file, or the one range of it that is asked for. */
function respond(bytes: Uint8Array<ArrayBuffer>, type: string, range: string | null): Response {
  const headers = { "content-type": type, "cache-control": "no-cache", "accept-ranges": "bytes" };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  if (first === undefined) return new Response(bytes, { headers });
  const [start, end] = [Number(first), Math.min(Number(last || Infinity), bytes.length - 1)];
  if (start > end) {
    return new Response(null, { status: 416, headers: { ...headers, "content-range": `bytes */${bytes.length}` } });
  }
  const part = { ...headers, "content-range": `bytes ${start}-${end}/${bytes.length}` };
  return new Response(bytes.subarray(start, end + 1), { status: 206, headers: part });
}
