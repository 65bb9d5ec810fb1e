/**
 * The local page's requests and their answers.
 *
 * @module
 */
import { ApiError, errorBody } from "./api_error.ts";
import { readSelect, readSteer } from "./change/requests.ts";
import { findAsset } from "./assets.ts";
import { readBody } from "./body.ts";
import { listModels, type ListQuery, listSaes, offeredAtStart } from "./catalog.ts";
import { checkRequest, hostTest, SECURITY_HEADERS } from "./guard.ts";
import { readAttribute, type ReadJob, readPredict } from "./job_requests.ts";
import type { Job, JobEvent, MessageWords, ModelJob } from "./jobs.ts";
import type { ClientInfo, Handler } from "./node_http.ts";
import { checkOffered, defaultsOf, type Offered } from "./offered.ts";
import type { JobQueue } from "./queue.ts";
import { jobResponse, jobStream } from "./answers.ts";

/** Makes a list. */
export type List = () => Promise<unknown>;

/** What a handler works with. */
export interface HandlerParts {
  readonly queue: JobQueue<Job, JobEvent>;
  /** Lists that need a search. */
  readonly lists: JobQueue<List, unknown>;
  readonly offered: Offered;
  /** What the server listens on. */
  readonly hostname: string;
  /** Further names that it may be asked for by. */
  readonly allowedHosts: readonly string[];
}

/** Answers everything; no request makes it throw. */
export function makeHandler(parts: HandlerParts): Handler {
  const isOurHost = hostTest(parts.hostname, parts.allowedHosts);
  return async (request, client) => {
    const response = await answer(parts, isOurHost, request, client).catch(errorResponse);
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.headers.set(name, value);
    return response;
  };
}

function errorResponse(error: unknown): Response {
  const body = errorBody(error);
  const { status } = body.error;
  const retry: Record<string, string> = error instanceof ApiError && error.retryAfter !== undefined
    ? { "retry-after": String(error.retryAfter) }
    : {};
  // What is left of a refused body is not read.
  const close: Record<string, string> = status === 413 ? { connection: "close" } : {};
  return Response.json(body, { status, headers: { ...retry, ...close } });
}

async function answer(
  parts: HandlerParts,
  isOurHost: (host: string) => boolean,
  request: Request,
  client: ClientInfo,
): Promise<Response> {
  checkRequest(request, isOurHost, parts.allowedHosts);
  const { pathname, searchParams } = new URL(request.url);
  const asset = findAsset(pathname);
  const list = Object.hasOwn(LISTS, pathname) ? LISTS[pathname] : undefined;
  const read = Object.hasOwn(JOBS, pathname) ? JOBS[pathname] : undefined;
  const isStatus = pathname === STATUS;
  if (!asset && !list && !read && !isStatus) throw new ApiError(404, `There is no ${pathname.slice(0, 100)} here`);
  const methods = read ? ["POST"] : ["GET", "HEAD"];
  if (!methods.includes(request.method)) throw new ApiError(405, `${pathname} takes ${methods.join(" and ")} only`);
  if (asset) {
    const { bytes, type } = await asset;
    return new Response(bytes, { headers: { "content-type": type } });
  }
  if (isStatus) return Response.json(status(parts));
  if (list) {
    const job = list(parts.offered, readQuery(searchParams));
    return Response.json(await parts.lists.submit({ job, client: clientOf(request, client), signal: client.signal }));
  }
  const job = read!(await readBody(request), defaultsOf(parts.offered), wordsFor(request));
  checkOffered(job, parts.offered);
  return await doJob(parts, job, request, client);
}

const STATUS = "/api/status";

function status({ queue, offered }: HandlerParts): Readonly<Record<string, unknown>> {
  return { ...offeredAtStart(offered), busy: queue.isBusy, waiting: queue.waiting };
}

const LISTS: Readonly<Record<string, (offered: Offered, query: ListQuery) => List>> = {
  "/api/models": (offered, query) => () => listModels(query, offered),
  "/api/saes": (offered, query) => () => listSaes(query, offered),
};

function readQuery(query: URLSearchParams): ListQuery {
  const limit = Number(query.get("limit") ?? 50);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new ApiError(400, '"limit" is no whole number from 1 to 1000');
  }
  return {
    search: (query.get("search") ?? "").slice(0, 200),
    model: query.get("model")?.slice(0, 200) || undefined,
    limit,
  };
}

const JOBS: Readonly<Record<string, ReadJob<ModelJob>>> = {
  "/api/predict": readPredict,
  "/api/attribute": readAttribute,
  "/api/steer": readSteer,
  "/api/select": readSelect,
};

/** The paths of all requests that are not files. */
export function apiPaths(): string[] {
  return [STATUS, ...Object.keys(LISTS), ...Object.keys(JOBS)];
}

/** The page says fields by its labels, and asks for messages that leave that to it. */
function wordsFor({ headers }: Request): MessageWords {
  return headers.get("x-words") === "backquotes" ? "backquotes" : "properties";
}

/** Several pages of one machine are clients of their own: each names itself in a header. */
const CLIENT_HEADER = "x-client";

function clientOf({ headers }: Request, { address }: ClientInfo): string {
  return `${address} ${(headers.get(CLIENT_HEADER) ?? "").slice(0, 64)}`;
}

function doJob(
  { queue }: HandlerParts,
  job: Job,
  request: Request,
  client: ClientInfo,
): Promise<Response> {
  const submission = { job, client: clientOf(request, client), signal: client.signal };
  const isStream = /\bapplication\/x-ndjson\b/.test(request.headers.get("accept") ?? "");
  return isStream ? jobStream(queue, submission) : jobResponse(queue, submission);
}
