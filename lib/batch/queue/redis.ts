/**
 * The connection to Redis, and the queue on it.
 *
 * @module
 */
import { Queue, Redis } from "../../deps/bullmq.ts";

/** The name of the queue in Redis. */
export const QUEUE = "sae-attribution";
const CONNECT_MS = 10_000;
const MOST_RETRY_MS = 2_000;

/** What is in the queue is whatever Redis holds: {@linkcode readJob} says whether it is a job. */
export type ShardQueue = Queue<unknown, void, string>;

/** What a connection tells while it lasts. */
export interface ConnectOptions {
  /** How long a Redis that has gone is waited for; undefined: for ever. */
  readonly patienceMs?: number;
  /** Told when Redis goes, and why; it is tried again. */
  readonly onGone?: (reason: string) => void;
}

/** An address without what is secret in it. */
export function shownAddress(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

/** @throws {Deno.errors.ConnectionRefused} if no Redis answers */
export async function connect(url: string, { patienceMs, onGone }: ConnectOptions = {}): Promise<Redis> {
  let isConnected = false;
  let gone: number | undefined; // since when
  const retryStrategy = (times: number): number | null => {
    if (gone === undefined && isConnected) onGone?.(last);
    gone ??= performance.now();
    const isOver = patienceMs !== undefined && performance.now() - gone > patienceMs;
    return isOver ? null : Math.min(100 * times, MOST_RETRY_MS);
  };
  const connection = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true, retryStrategy });
  let last = "the connection was closed"; // what a call says is only that the connection is closed
  connection.on("error", (error: Error) => last = error.message || last);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it does not answer")), CONNECT_MS);
  });
  try {
    await Promise.race([connection.connect().then(() => connection.ping()), late]);
  } catch (error) {
    connection.disconnect();
    throw new Deno.errors.ConnectionRefused(`Cannot reach Redis at ${shownAddress(url)}: ${last}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  isConnected = true;
  gone = undefined;
  connection.on("ready", () => gone = undefined);
  return connection;
}

/** A queue that is closed with its connection. */
export async function openQueue(
  url: string,
  options?: ConnectOptions,
): Promise<{ queue: ShardQueue } & AsyncDisposable> {
  const connection = await connect(url, options);
  const queue: ShardQueue = new Queue(QUEUE, { connection });
  queue.on("error", () => {}); // it connects again; until then calls wait
  return {
    queue,
    async [Symbol.asyncDispose]() {
      if (connection.status === "ready") await queue.close();
      connection.disconnect();
    },
  };
}
