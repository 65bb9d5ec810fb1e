/**
 * The local page's server.
 *
 * @module
 */
import { type List, makeHandler } from "./handler.ts";
import type { Job, JobEvent, WorkerOptions } from "./jobs.ts";
import { type HttpServer, serveHttp } from "./node_http.ts";
import { DEFAULT_OFFER, namedPlaces, type Offered, shownOffer } from "./offered.ts";
import { DEFAULT_LIMITS, JobQueue, type QueueLimits } from "./queue.ts";
import { WorkerHandle } from "./worker_handle.ts";

/** How the page is served. */
export interface ServeOptions {
  /** Default 127.0.0.1: only this machine can reach it. */
  readonly hostname?: string;
  /** Default 0: any that is free. */
  readonly port?: number;
  /** Names under which it may be asked for, besides its own address. */
  readonly allowedHosts?: readonly string[];
  /** What may be opened. Default: the bundled models and public ones. */
  readonly offered?: Offered;
  /** How the model runs. */
  readonly worker?: WorkerOptions;
  /** How many requests may wait. */
  readonly limits?: QueueLimits;
  /** How long a run may take, downloads aside. Default: 10 minutes. */
  readonly limitMs?: number;
  /** How long a client may take to send a request, or to take what it is sent. Default: 15 seconds. */
  readonly silenceMs?: number;
}

/** A running server. */
export interface PageServer extends HttpServer {
  /** How many workers it has started: one, and one more after each run that had to be ended. */
  workersStarted(): number;
}

/** Between two lists other requests have their turn. */
async function makeList(list: List): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve));
  return await list();
}

/**
 * Serves the page until it is closed.
 *
 * @throws {Error} with the code `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL` if it cannot listen there
 */
export async function servePage(options: ServeOptions = {}): Promise<PageServer> {
  const { hostname = "127.0.0.1", port = 0, allowedHosts = [], offered = DEFAULT_OFFER, limits = DEFAULT_LIMITS } =
    options;
  const { device = "auto", threads } = options.worker ?? {};
  const worker = new WorkerHandle({ device, threads, places: namedPlaces(offered) }, options);
  const queue = new JobQueue<Job, JobEvent>(worker, limits);
  const lists = new JobQueue<List, unknown>({ perform: makeList }, limits);
  const handler = makeHandler({ queue, lists, offered: shownOffer(offered), hostname, allowedHosts });
  const server = await serveHttp(handler, { hostname, port, silenceMs: options.silenceMs });
  const close = async (): Promise<void> => {
    worker[Symbol.dispose]();
    await server.close();
  };
  return { port: server.port, close, workersStarted: () => worker.restarts, [Symbol.asyncDispose]: close };
}
