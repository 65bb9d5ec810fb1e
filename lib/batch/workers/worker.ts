/**
 * A Worker that does shards: opens the model once, then answers one message after another.
 *
 * @module
 */
import { firstDifference, identify } from "../shards/manifest.ts";
import type { WorkerAnswer, WorkerStart } from "./runners.ts";
import { open } from "../../request/open.ts";
import { runShard, type ShardContext } from "../shards/shard.ts";
import { directoryStore } from "../shards/store.ts";

/** The part of a Worker's scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<WorkerStart | { readonly shard: number }>) => void) | null;
  postMessage(answer: WorkerAnswer): void;
}

const scope = self as unknown as WorkerScope;
let context: ShardContext | undefined;

scope.onmessage = ({ data }) => {
  answer(data).then(
    (result) => scope.postMessage(result),
    (error: unknown) => {
      const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
      scope.postMessage({ kind: "failed", name, message });
    },
  );
};

async function answer(message: WorkerStart | { readonly shard: number }): Promise<WorkerAnswer> {
  if ("shard" in message) return { kind: "done", report: await runShard(context!, message.shard) };
  const { manifest, directory, verify } = message;
  const { model, saes } = await open({ ...message.settings ?? manifest.settings, manyPrompts: true });
  if (verify) {
    const { schema_version: _, settings, input: __, ...before } = manifest;
    const difference = firstDifference(before, await identify(model, saes, settings));
    if (difference !== undefined) throw new RangeError(`What is here is not what the run began with: ${difference}`);
  }
  context = { model, saes, manifest, store: directoryStore(directory) };
  return { kind: "ready" };
}
