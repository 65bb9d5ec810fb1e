/**
 * Attributions on a schedule, for Deno Deploy and for `deno run --unstable-cron`: an entry of its own, imported by
 * nothing here.
 *
 * ```sh
 * deno run -A --unstable-cron lib/deploy/cron.ts cron.json         # on schedule, and the latest run over HTTP
 * deno run -A lib/deploy/cron.ts cron.json --once                  # once and now
 * ```
 *
 * On Deno Deploy, an entry of three lines:
 *
 * ```ts ignore
 * import { attributeOnSchedule } from "https://…/lib/deploy/cron.ts";
 * import config from "./cron.json" with { type: "json" };
 * await attributeOnSchedule(config);
 * ```
 *
 * @module
 */
import { readTextFile } from "../platform/read_text.ts";
import { parseJson } from "../weights/json/json.ts";
import { messageLine, quote } from "../quote.ts";
import { REQUEST_FIELDS } from "../request/fields.ts";
import { inWords, RequestError, sayProperty } from "../request/request_error.ts";
import { bracketed, hostTest } from "../web/guard.ts";
import { serveHttp } from "../web/node_http.ts";
import { type CronConfig, readConfig } from "./config.ts";
import { directoryResults, type Kv, kvResults, type Results, type ScheduledRun } from "./results.ts";
import { runScheduled } from "./scheduled_run.ts";
import { answer } from "./serve.ts";

/** What Deno has on Deploy, and elsewhere with --unstable-cron and --unstable-kv. */
interface UnstableDeno {
  cron?(name: string, schedule: string, handler: () => Promise<void>): Promise<void>;
  openKv?(): Promise<Kv>;
}

const { cron, openKv } = Deno as unknown as UnstableDeno;

const DEFAULT_PORT = 8000;

/**
 * Where a configuration's results are kept: in the directory that it names, else in Deno KV where there is one, else in
 * `./results`.
 */
export async function openResults({ results, name }: Pick<CronConfig, "results" | "name">): Promise<Results> {
  if (results !== undefined) return directoryResults(results);
  return openKv === undefined ? directoryResults("results") : kvResults(await openKv.call(Deno), name);
}

/**
 * Registers the schedule and serves the latest run; call it once, when the entry is loaded.
 *
 * @param config as {@linkcode readConfig} takes it
 * @throws {SyntaxError} if the configuration is wrong
 * @throws {TypeError} if there is no `Deno.cron`
 */
export async function attributeOnSchedule(config: unknown): Promise<AsyncDisposable> {
  if (cron === undefined) {
    throw new TypeError("There is no Deno.cron here: run with --unstable-cron, or once with --once");
  }
  const read = readConfig(config);
  const results = await openResults(read);
  // Names of crons take letters, digits, spaces, hyphens and underscores.
  const name = `sae-attribution ${read.name}`.replace(/[^\w -]/g, "_").slice(0, 64);
  cron.call(Deno, name, read.schedule, async () => {
    try {
      console.log(describeRun(await runScheduled(read, results)));
    } catch (error) {
      console.error(describeError(error)); // the next time may be better
    }
  });
  console.log(`${name}: ${read.schedule} (UTC), results in ${results.place}`);
  return await serve(results, read.allowedHosts);
}

/** On Deno Deploy behind its proxy and for everybody, else for those who know this machine's names. */
async function serve(results: Results, allowedHosts: readonly string[]): Promise<AsyncDisposable> {
  const { hostname, port } = address();
  if (isOnDeploy()) return Deno.serve({ hostname, port }, (request) => answer(request, results));
  const visitors = { isOurHost: hostTest(hostname, allowedHosts), allowedHosts };
  const server = await serveHttp((request) => answer(request, results, visitors), { hostname, port });
  console.log(`http://${bracketed(hostname)}:${server.port}/`);
  return server;
}

function isOnDeploy(): boolean {
  return Deno.env.get("DENO_DEPLOYMENT_ID") !== undefined;
}

/** This machine only, unless it is Deno Deploy or the environment says otherwise. */
function address(): { port: number; hostname: string } {
  const port = Number(Deno.env.get("PORT") ?? DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(`PORT is ${quote(Deno.env.get("PORT"))}: give a whole number from 0 to 65535`);
  }
  return { port, hostname: Deno.env.get("HOST") ?? (isOnDeploy() ? "0.0.0.0" : "127.0.0.1") };
}

/** A run in one line, for a log. */
export function describeRun({ started, seconds, prompts, errors, rows, drift }: ScheduledRun): string {
  const change = drift === null
    ? "the first run"
    : `metric ±${drift.metric.max_abs_change.toPrecision(2)}, attribution ±${
      drift.attribution.max_abs_change.toPrecision(2)
    } since ${drift.since}${drift.files === null ? "" : `; ${drift.files}`}`;
  const failed = errors.length === 0 ? "" : `, ${errors.length} failed`;
  return `${started}: ${prompts.length} prompts${failed}, ${rows.length} rows in ${seconds.toFixed(1)} s; ${change}`;
}

async function main([path, ...options]: readonly string[]): Promise<void> {
  const isOnce = options.length === 1 && options[0] === "--once";
  if (path === undefined || path.startsWith("-") || (options.length > 0 && !isOnce)) {
    throw new SyntaxError("usage: deno run -A --unstable-cron lib/deploy/cron.ts CONFIG.json [--once]");
  }
  const config = await readJson(path);
  if (!isOnce) return void await attributeOnSchedule(config);
  const read = readConfig(config);
  const run = await runScheduled(read, await openResults(read));
  console.log(describeRun(run));
  if (run.prompts.length === 0) throw new RangeError(`No prompt could be attributed: ${run.errors[0].error}`);
}

function describeError(error: unknown): string {
  if (!(error instanceof RequestError)) return `error: ${messageLine(error)}`;
  return `error: ${inWords(error.message, REQUEST_FIELDS, sayProperty)}`;
}

async function readJson(path: string): Promise<unknown> {
  return parseJson(await readTextFile(path), path);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(describeError(error));
    Deno.exitCode = 1;
  }
}
