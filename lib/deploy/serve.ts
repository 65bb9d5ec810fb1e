/**
 * The latest scheduled run over HTTP.
 *
 * @module
 */
import { toCsv } from "../table/csv.ts";
import { MEDIA_TYPES } from "../table/formats.ts";
import type { Results, ScheduledRun } from "./results.ts";
import { errorBody } from "../web/api_error.ts";
import { checkRequest } from "../web/guard.ts";

const JSON_TYPE = "application/json; charset=utf-8";

/** By path: what is answered with the latest run. */
const PAGES: Readonly<Record<string, (run: ScheduledRun) => { type: string; body: string }>> = {
  "/": ({ rows, columns: _, ...rest }) => json({ ...rest, rows: rows.length }),
  "/latest.json": json,
  "/latest.csv": ({ columns, rows }) => ({ type: MEDIA_TYPES.csv, body: toCsv({ columns, rows }) }),
  "/drift.json": ({ drift }) => json(drift),
};

function json(value: unknown): { type: string; body: string } {
  return { type: JSON_TYPE, body: `${JSON.stringify(value, null, 2)}\n` };
}

/** Who may ask. */
export interface Visitors {
  /** Whether a request's host is a name of this server. */
  readonly isOurHost: (host: string) => boolean;
  /** Further names that it may be asked for by. */
  readonly allowedHosts: readonly string[];
}

/** Where everybody may ask, as on Deno Deploy. */
const EVERYBODY: Visitors = { isOurHost: () => true, allowedHosts: [] };

/**
 * Answers a request: `/` the run without its rows, `/latest.json` all of it, `/latest.csv` its rows, `/drift.json` how
 * far it is from the run before. No request makes it throw.
 */
export async function answer(request: Request, results: Results, visitors: Visitors = EVERYBODY): Promise<Response> {
  const { status, type, body, headers } = await find(request, results, visitors).catch(failure);
  const bytes = new TextEncoder().encode(body);
  return new Response(request.method === "HEAD" ? null : bytes, {
    status,
    headers: { "content-type": type, "content-length": String(bytes.length), ...headers, ...COMMON },
  });
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function find(request: Request, results: Results, visitors: Visitors): Promise<Answer> {
  if (visitors !== EVERYBODY) checkRequest(request, visitors.isOurHost, visitors.allowedHosts);
  const { pathname } = new URL(request.url);
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plain(405, "Only GET and HEAD", { allow: "GET, HEAD" });
  }
  if (!Object.hasOwn(PAGES, pathname)) return plain(404, `There is ${Object.keys(PAGES).join(", ")}`);
  const run = await results.latest();
  if (run === undefined) return plain(503, "There has been no run yet", { "retry-after": "60" });
  return { status: 200, ...PAGES[pathname](run), headers: { "last-modified": new Date(run.started).toUTCString() } };
}

function failure(error: unknown): Answer {
  const { status, message } = errorBody(error).error;
  return plain(status, message);
}

/** Texts come from prompts and labels: no browser shall take them for a page. */
const COMMON = { "x-content-type-options": "nosniff", "cache-control": "no-cache" };

function plain(status: number, line: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${line}\n`, headers };
}
