/**
 * What `serve` does once its command line is understood.
 *
 * @module
 */
import { plainMessage } from "../../../platform/plain_message.ts";
import { bracketed, isLoopback } from "../../../web/guard.ts";
import { type PageServer, servePage } from "../../../web/serve.ts";
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

/** On the port that was asked for, or the usual one or one after it. */
async function listen(request: ServeRequest): Promise<PageServer> {
  const { hostname, allowedHosts, model, saes, hub, device, threads, timeLimit, port = USUAL_PORT } = request;
  const offered = { model, saes, hub };
  const limitMs = timeLimit === undefined ? undefined : timeLimit * 1000;
  const last = request.port === undefined ? USUAL_PORT + TRIES : port;
  for (let at = port;; at++) {
    try {
      const worker = { device, threads };
      return await servePage({ hostname, port: at, allowedHosts, offered, worker, limitMs });
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
