/**
 * The latest scheduled run over HTTP.
 *
 * @module
 */
import { toCsv } from "../table/csv.ts";
import type { Results } from "./results.ts";
import type { ScheduledRun } from "./scheduled_run.ts";

const JSON_TYPE = "application/json; charset=utf-8";
const CSV_TYPE = "text/csv; charset=utf-8";

/** By path: what is answered with the latest run. */
const PAGES: Readonly<Record<string, (run: ScheduledRun) => { type: string; body: string }>> = {
  "/": ({ rows, columns: _, ...rest }) => json({ ...rest, rows: rows.length }),
  "/latest.json": json,
  "/latest.csv": ({ columns, rows }) => ({ type: CSV_TYPE, body: toCsv({ columns, rows }) }),
  "/drift.json": ({ drift }) => json(drift),
};

function json(value: unknown): { type: string; body: string } {
  return { type: JSON_TYPE, body: `${JSON.stringify(value, null, 2)}\n` };
}

/**
 * Answers a request: `/` the run without its rows, `/latest.json` all of it, `/latest.csv` its rows, `/drift.json` how
 * far it is from the run before.
 */
export async function answer(request: Request, results: Results): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plain(405, "Only GET and HEAD\n", { allow: "GET, HEAD" });
  }
  if (!Object.hasOwn(PAGES, pathname)) return plain(404, `There is ${Object.keys(PAGES).join(", ")}\n`);
  const run = await results.latest();
  if (run === undefined) return plain(503, "There has been no run yet\n", { "retry-after": "60" });
  const { type, body } = PAGES[pathname](run);
  const headers = { "content-type": type, "last-modified": new Date(run.started).toUTCString(), ...COMMON };
  return new Response(request.method === "HEAD" ? null : body, { headers });
}

/** Texts come from prompts and labels: no browser shall take them for a page. */
const COMMON = { "x-content-type-options": "nosniff", "cache-control": "no-cache" };

function plain(status: number, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers, ...COMMON },
  });
}
