/**
 * Who works on shards: this thread, or Workers of this process.
 *
 * @module
 */
import type { Manifest } from "../shards/manifest.ts";
import type { BatchSettings } from "../settings.ts";
import { runShard, type ShardContext, type ShardReport } from "../shards/shard.ts";

/** Deno's own: onnxruntime-web puts Node's in its place when it starts, which is after this module was imported. */
const { Worker: WebWorker } = globalThis;

/** Works on one shard at a time. */
export interface Runner {
  /** Works on a shard. */
  run(shard: number): Promise<ShardReport>;
  /** Ends it, and what it is working on. */
  close(): void;
}

/** What a Worker is told first. */
export interface WorkerStart {
  /** The run. */
  readonly manifest: Manifest;
  /** What the model and the SAEs are opened by, where that is more than may stand in the manifest. */
  readonly settings?: BatchSettings;
  /** The store's directory. */
  readonly directory: string;
  /** Compare the hashes of the files here with those of the run. */
  readonly verify: boolean;
}

/** What a Worker answers. */
export type WorkerAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly report: ShardReport }
  | { readonly kind: "failed"; readonly name: string; readonly message: string };

/** This thread. */
export function threadRunner(context: ShardContext): Runner {
  return { run: (shard) => runShard(context, shard), close: () => {} };
}

/**
 * A Worker with a model of its own. It is started with the first shard, and anew after one that failed, since what went
 * wrong may have broken it.
 */
export function workerRunner(start: WorkerStart): Runner {
  let worker: Worker | undefined;
  let fail: (error: Error) => void = () => {};
  const end = (): void => {
    worker?.terminate();
    worker = undefined;
    fail(new Error("The worker was ended"));
  };
  const ask = (message: WorkerStart | { readonly shard: number }): Promise<WorkerAnswer> => {
    const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
    fail = reject;
    worker!.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      if (data.kind !== "failed") return resolve(data);
      const error = new Error(data.message);
      error.name = data.name;
      reject(error);
    };
    worker!.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker!.postMessage(message);
    return promise;
  };
  return {
    async run(shard) {
      try {
        if (worker === undefined) {
          worker = new WebWorker(new URL("./worker.ts", import.meta.url), { type: "module" });
          await ask(start);
        }
        const answer = await ask({ shard });
        if (answer.kind === "done") return answer.report;
        throw new TypeError(`A worker answered ${answer.kind} to a shard`);
      } catch (error) {
        end();
        throw error;
      }
    },
    close: end,
  };
}
