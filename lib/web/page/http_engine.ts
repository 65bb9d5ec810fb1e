/// <reference lib="dom" />
/// <reference lib="dom.asynciterable" />
/**
 * The engine behind the JSON API: plain lists, and jobs whose answer comes line by line.
 *
 * @module
 */
import type { ErrorBody } from "../api_error.ts";
import type { ListQuery } from "../catalog.ts";
import type {
  Answer,
  AttributeAnswer,
  Capabilities,
  Engine,
  EngineBody,
  EngineEvent,
  EngineStatus,
  JobOptions,
  ModelList,
  SaeList,
} from "./engine.ts";

/** This page among others; it need not be secret. */
const CLIENT = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16)).join("");

/** Headers of this page alone: which one it is, and that it says fields by its labels. */
const OURS = { "x-client": CLIENT, "x-words": "backquotes" };

/** Types of answers. */
const [LINES, PARQUET] = ["application/x-ndjson", "application/vnd.apache.parquet"];

/** What the server refuses because too many wait is asked for again so many times. */
const TRIES = 8;

/** Asks the server that the page came from. */
export class HttpEngine implements Engine {
  /** The server keeps files and decides where a model runs. */
  readonly capabilities: Capabilities = { devices: [] };

  status(): Promise<EngineStatus> {
    return getJson("api/status");
  }

  models(query: Partial<ListQuery>): Promise<ModelList> {
    return getJson(`api/models?${queryOf(query)}`);
  }

  saes(query: Partial<ListQuery>): Promise<SaeList> {
    return getJson(`api/saes?${queryOf(query)}`);
  }

  predict(body: EngineBody, options: JobOptions): Promise<Answer<"prediction">> {
    return runJob("api/predict", body, options) as Promise<Answer<"prediction">>;
  }

  async attribute(body: EngineBody, options: JobOptions): Promise<AttributeAnswer> {
    if (body.format === "parquet") {
      const response = await ask("api/attribute", body, options, PARQUET);
      return { type: "file", bytes: await response.bytes() };
    }
    return await runJob("api/attribute", body, options) as AttributeAnswer;
  }

  steer(body: EngineBody, options: JobOptions): Promise<Answer<"steered">> {
    return runJob("api/steer", body, options) as Promise<Answer<"steered">>;
  }

  select(body: EngineBody, options: JobOptions): Promise<Answer<"set">> {
    return runJob("api/select", body, options) as Promise<Answer<"set">>;
  }
}

function queryOf(query: Partial<ListQuery>): URLSearchParams {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
}

async function getJson<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) throw await errorOf(response);
  return await response.json();
}

/** The last event of a job. */
async function runJob(path: string, body: EngineBody, { signal, onEvent }: JobOptions): Promise<EngineEvent> {
  const response = await ask(path, body, { signal, onEvent }, LINES);
  let last: EngineEvent | undefined;
  for await (const event of eventsOf(response.body!)) {
    if (event.type === "error") throw new Error(event.message);
    onEvent(event);
    last = event;
  }
  if (last === undefined) throw new Error("The server ended the run without an answer: try again");
  return last;
}

async function ask(
  path: string,
  body: EngineBody,
  { signal, onEvent }: JobOptions,
  accept: string,
): Promise<Response> {
  for (let left = TRIES;; left--) {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", accept, ...OURS },
      body: JSON.stringify(body),
      signal,
    }).catch((error) => {
      if (signal.aborted) throw error;
      throw new Error("The server does not answer: is it still running?");
    });
    if (response.ok) return response;
    const isBusy = response.status === 429 || response.status === 503;
    if (!isBusy || left === 0) throw await errorOf(response);
    onEvent({ type: "busy" });
    await pause(1000 * (Number(response.headers.get("retry-after")) || 1), signal);
  }
}

async function errorOf(response: Response): Promise<Error> {
  const body: ErrorBody | undefined = await response.json().catch(() => undefined);
  return new Error(body?.error?.message ?? `The server answers ${response.status}`);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** A line of a job's answer. */
type Line = EngineEvent | { readonly type: "error"; readonly message: string };

/** The JSON values of a stream of lines. */
async function* eventsOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Line> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop()!;
    for (const line of parts) yield JSON.parse(line);
  }
}
