/**
 * What a block takes when its tokens attend to cached ones.
 *
 * @module
 */
import { type FloatTensor, toHost } from "../../runtime/tensor.ts";
import { CACHED, projectionHooks } from "./cached_block.ts";
import { gatherRows } from "./feeds.ts";
import type { Feeds, Pass, Stream } from "./pass.ts";
import type { StageKey } from "./stage_sessions.ts";
import { runWith, type Stages } from "./stages.ts";

/**
 * Writes the new tokens' keys and values into the cache, and adds what the rest of the block reads to its feeds.
 *
 * @param key with the deltas at hooks up to the projections
 */
export async function projectIntoCache(stages: Stages, pass: Pass, key: StageKey, feeds: Feeds): Promise<void> {
  const { cache, rows } = pass.request;
  const layer = key.stage - 1;
  const hooks = projectionHooks(stages.sessions.graph(key));
  const session = await stages.sessions.forward(key, Object.values(hooks), false);
  const projected = await runWith(session, feeds) as Record<string, FloatTensor>;
  cache!.write(layer, projected[hooks.keys], projected[hooks.values]);
  const { keys, values } = cache!.read(layer, cache!.seen(cache!.length + pass.length));
  const query = projected[hooks.query];
  Object.assign(feeds, { [CACHED.query]: query, [CACHED.keys]: keys, [CACHED.values]: values });
  if (!key.selectRows) return;
  const { dims: [, n, nHeads, dHead], data } = query;
  const selected = gatherRows({ dims: [1, n, nHeads * dHead], data }, rows);
  feeds[CACHED.query] = { dims: [1, rows[0].length, nHeads, dHead], data: selected.data };
  feeds.resid = gatherRows(await toHost(feeds.resid as Stream), rows);
}

/** Whether a delta at a hook changes what is projected. */
export function isBeforeScores(stages: Stages, key: StageKey, local: string): boolean {
  const order = Object.keys(stages.sessions.graph(key).hooks);
  return order.indexOf(local) < order.indexOf("attn.hook_attn_scores");
}
