/**
 * An HTTP server whose handler sees the Web's Request and Response. It stands on node:http, because there a client that
 * goes away is noticed while its answer is still being computed (Deno.serve says so too, but also after every success).
 *
 * @module
 */
import { bracketed } from "./guard.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** Answers one request; the signal is aborted when the client goes away before it has the answer. */
export type Handler = (request: Request, client: ClientInfo) => Promise<Response>;

/** Who asks. */
export interface ClientInfo {
  /** The address at the other end. */
  readonly address: string;
  /** Aborted when the client goes away before it has the whole answer. */
  readonly signal: AbortSignal;
}

/** A server that listens. */
export interface HttpServer extends AsyncDisposable {
  /** The port, also where 0 was asked for. */
  readonly port: number;
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

/** A client may take so long to send a request, and to take some of what it is sent. */
const SILENCE_MS = 15_000;

/** Where a server listens, and how patient it is. */
export interface HttpServerOptions {
  readonly hostname: string;
  readonly port: number;
  /** Milliseconds after which a silent connection is closed. */
  readonly silenceMs?: number;
}

/**
 * Starts a server.
 *
 * @throws {Error} with the code `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL` if it cannot listen there
 * @throws {Deno.errors.NotCapable} if Deno was not allowed to
 */
export async function serveHttp(
  handler: Handler,
  { hostname, port, silenceMs = SILENCE_MS }: HttpServerOptions,
): Promise<HttpServer> {
  const patience = {
    requestTimeout: silenceMs,
    headersTimeout: silenceMs,
    connectionsCheckingInterval: Math.ceil(silenceMs / 4),
  };
  await askToListen(hostname, port);
  const server = createServer(patience, (request, response) => void answer(handler, request, response, silenceMs));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  });
  const address = server.address();
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: typeof address === "object" && address ? address.port : port, close, [Symbol.asyncDispose]: close };
}

/** Asked for before: `listen` throws where nobody can catch it. */
async function askToListen(hostname: string, port: number): Promise<void> {
  const host = `${bracketed(hostname)}:${port}`;
  const { state } = await Deno.permissions.request({ name: "net", host });
  if (state !== "granted") throw new Deno.errors.NotCapable(`Deno was not allowed to, run it with --allow-net=${host}`);
}

async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  silenceMs: number,
): Promise<void> {
  const gone = new AbortController();
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) gone.abort(new DOMException("The client has gone", "AbortError"));
  });
  outgoing.on("error", () => gone.abort(new DOMException("The client has gone", "AbortError")));
  try {
    const request = toRequest(incoming);
    const client = { address: incoming.socket?.remoteAddress ?? "", signal: gone.signal };
    const response = request ? await handler(request, client) : new Response(null, { status: 400 });
    await send(response, outgoing, { gone: gone.signal, isHead: request?.method === "HEAD", silenceMs });
  } catch {
    // The handler answers its own errors: what comes here is a connection that broke.
    outgoing.destroy();
  }
}

/** Undefined for what no Request can be made of: a malformed address or host, a method that browsers forbid. */
function toRequest(incoming: IncomingMessage): Request | undefined {
  const { method = "GET", headers, url = "/" } = incoming;
  if (!url.startsWith("/") || headers.host === undefined) return undefined;
  try {
    const body = method === "GET" || method === "HEAD" ? null : bodyOf(incoming);
    return new Request(new URL(`http://${headers.host}${url}`), {
      method,
      headers: Object.entries(headers).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, String(value)] as [string, string]]
      ),
      body,
    });
  } catch {
    return undefined;
  }
}

function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = incoming[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}

async function send(
  response: Response,
  outgoing: ServerResponse,
  { gone, isHead, silenceMs }: { readonly gone: AbortSignal; readonly isHead: boolean; readonly silenceMs: number },
): Promise<void> {
  outgoing.writeHead(response.status, [...response.headers].flat());
  if (response.body === null || isHead) {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  const reader = response.body.getReader();
  const drop = (): void => void reader.cancel(gone.reason).catch(() => {});
  gone.addEventListener("abort", drop);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.aborted) break;
      if (!outgoing.write(value)) await drained(outgoing, gone, silenceMs);
    }
    outgoing.end();
  } finally {
    gone.removeEventListener("abort", drop);
  }
}

/** A slow reader makes the writer wait, so that nothing piles up; one that takes nothing at all is dropped. */
function drained(outgoing: ServerResponse, gone: AbortSignal, silenceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => outgoing.destroy(), silenceMs); // which aborts
    const go = (): void => {
      clearTimeout(timer);
      outgoing.off("drain", go);
      gone.removeEventListener("abort", go);
      resolve();
    };
    outgoing.once("drain", go);
    gone.addEventListener("abort", go);
  });
}
