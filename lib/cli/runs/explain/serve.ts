/**
 * What `serve` does once its command line is understood.
 *
 * @module
 */
import { plainMessage } from "../../../platform/plain_message.ts";
import { bracketed, isLoopback } from "../../../web/guard.ts";
import type { HttpServer } from "../../../web/node_http.ts";
import { servePage } from "../../../web/serve.ts";
import { onSignal } from "../../screen/interrupt.ts";
import { printData, printNote } from "../../screen/output.ts";
import type { ServeRequest } from "../../commands/explain/serve.ts";

const USUAL_PORT = 8377;
/** So many ports after the usual one are tried. */
const TRIES = 20;

/** Serves the page until the program is interrupted. */
export async function serve(request: ServeRequest): Promise<void> {
  const server = await listen(request);
  const ended = Promise.withResolvers<void>();
  const forget = onSignal(() => ended.resolve());
  try {
    const { hostname } = request;
    const shown = hostname === "0.0.0.0" || hostname === "::" ? "127.0.0.1" : bracketed(hostname);
    await printData([`http://${shown}:${server.port}/\n`]);
    if (!isLoopback(hostname)) {
      await printNote(`warning: everybody who reaches ${hostname} can use this page, which asks for no password\n`);
    }
    await printNote("Open it in a browser. Ctrl-C ends it.\n");
    await ended.promise;
  } finally {
    forget();
    await server.close();
  }
}

/** What listens on a port. */
type Listen = (port: number) => Promise<HttpServer>;

function page({ hostname, allowedHosts, model, saes, hub, device, threads, timeLimit }: ServeRequest): Listen {
  const offered = { model, saes, hub };
  const limitMs = timeLimit === undefined ? undefined : timeLimit * 1000;
  return (port) => servePage({ hostname, port, allowedHosts, offered, worker: { device, threads }, limitMs });
}

/** The site, built anew. */
async function site({ hostname }: ServeRequest): Promise<Listen> {
  const { buildSite, siteDirectory } = await import(
    new URL("../../../site/build/build.ts", import.meta.url).href
  ) as typeof import("../../../site/build/build.ts");
  const { serveStatic } = await import(
    new URL("../../../site/build/serve.ts", import.meta.url).href
  ) as typeof import("../../../site/build/serve.ts");
  const directory = siteDirectory();
  await buildSite(directory);
  return (port) => serveStatic(directory, { hostname, port });
}

/** On the port that was asked for, or the usual one or one after it. */
async function listen(request: ServeRequest): Promise<HttpServer> {
  const { hostname, port = USUAL_PORT, isStatic } = request;
  const serve = isStatic ? await site(request) : page(request);
  const last = request.port === undefined ? USUAL_PORT + TRIES : port;
  for (let at = port;; at++) {
    try {
      return await serve(at);
    } catch (error) {
      if (codeOf(error) === "EADDRINUSE" && at < last) continue;
      throw new Error(
        `Cannot listen on ${hostname} port ${at}: ${reasons[codeOf(error)] ?? plainMessage(error as Error)}`,
        {
          cause: error,
        },
      );
    }
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program does; give another --port",
  EACCES: "that is not allowed; give a --port from 1024 up",
  EADDRNOTAVAIL: "this machine has no such address; leave out --host",
  EINVAL: "this machine has no such address; leave out --host",
  ENOTFOUND: "there is no such address; leave out --host",
};

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
