/**
 * Exact ablation of single features at a `hook_resid_pre`: metric − metric(that contribution to the stream taken away),
 * the blocks above run again for all of them in batches. Shares with the attribution code the blocks' graphs only.
 */
import type { Attribution } from "../../lib/attribution/result.ts";
import type { AttributionRow } from "../../lib/attribution/sae_attribution.ts";
import type { Model } from "../../lib/model/model.ts";
import { renamedStore } from "../../lib/model/renamed_store.ts";
import { additiveMask } from "../../lib/model/rows.ts";
import { OUTPUT, StageSessions } from "../../lib/model/stage_sessions.ts";
import type { FloatTensor, Tensor } from "../../lib/runtime/tensor.ts";
import { openSource } from "../../lib/weights/source.ts";
import { openSafetensors, type TensorStore } from "../../lib/weights/tensors.ts";

const BATCH = 64;

/** What a run up to the hook gave, and how to go on from there. */
export class ExactAblation {
  readonly #model: Model;
  readonly #store: TensorStore;
  readonly #sessions: StageSessions;

  private constructor(model: Model, store: TensorStore) {
    this.#model = model;
    this.#store = store;
    this.#sessions = new StageSessions(model.architecture, model.runtime);
  }

  /** @param directory where the model's safetensors file is */
  static async open(model: Model, directory: URL): Promise<ExactAblation> {
    const { weightPrefixes, embedding } = model.architecture;
    const store = await openSafetensors(openSource(directory));
    return new ExactAblation(model, renamedStore(store, weightPrefixes, embedding.tokens.name));
  }

  async close(): Promise<void> {
    await this.#store.source.close();
  }

  /** metric − metric(without the row's feature at its position), for each row. The metric is a logit difference. */
  effects(result: Attribution, hook: string, rows: readonly AttributionRow[]): Promise<number[]> {
    return this.joint(result, hook, rows.map((row) => [row]));
  }

  /** metric − metric(without all features of the group at their positions), for each group of rows. */
  async joint(result: Attribution, hook: string, groups: readonly (readonly AttributionRow[])[]): Promise<number[]> {
    const { grads, saes } = result.parts;
    const { run } = saes.get(hook)!;
    const [n, d] = [grads.tokens.length, run.sae.config.dOut];
    const [positive, negative] = grads.resolvedMetric.columns!;
    const features = [...new Set(groups.flat().map(({ feature }) => feature))].sort((a, b) => a - b);
    const place = new Map(features.map((feature, i) => [feature, i * d]));
    const decoder = await this.#decoder(run.sae.source, features);
    const effects: number[] = [];
    for (let start = 0; start < groups.length; start += BATCH) {
      const batch = groups.slice(start, start + BATCH);
      const data = new Float32Array((batch.length + 1) * n * d);
      for (let b = 0; b <= batch.length; b++) data.set(run.saeIn, b * n * d);
      for (const [b, group] of batch.entries()) {
        for (const { position, feature, activation } of group) {
          const w = place.get(feature)!;
          for (let i = 0; i < d; i++) data[b * n * d + position * d + i] -= activation * decoder[w + i];
        }
      }
      const metrics = await this.#metrics({ dims: [batch.length + 1, n, d], data }, hook, result, positive, negative);
      effects.push(...batch.map((_, b) => metrics[batch.length] - metrics[b]));
    }
    return effects;
  }

  async #decoder(sae: string, features: readonly number[]): Promise<Float32Array> {
    await using source = openSource(sae.startsWith("tiny-facts/") ? bundled(sae) : sae);
    return await (await openSafetensors(source, { file: "sae_weights.safetensors" })).readRows("W_dec", features);
  }

  /** Runs blocks and final norm on a batch of streams. */
  async #metrics(resid: FloatTensor, hook: string, result: Attribution, pos: number, neg: number): Promise<number[]> {
    const { architecture } = this.#model;
    const { processing } = result.parts.grads;
    const [batch, n, d] = resid.dims;
    const mask = additiveMask(n, {});
    const data = new Float32Array(batch * n * n);
    for (let b = 0; b < batch; b++) data.set(mask.data, b * n * n);
    let stream: Tensor = resid;
    for (let stage = Number(/\d+/.exec(hook)![0]) + 1; stage <= architecture.config.nLayers + 1; stage++) {
      const last = stage > architecture.config.nLayers;
      const refs = last ? architecture.finalWeights() : architecture.blockWeights(stage - 1);
      const feeds: Record<string, Tensor> = { resid: stream, "mask:causal": { dims: [batch, 1, n, n], data } };
      for (const [name, ref] of Object.entries(refs)) {
        feeds[name] = { dims: ref.shape, data: await this.#store.read(ref.name) };
      }
      const session = await this.#sessions.forward({ stage, processing, selectRows: false, deltas: [] }, [], true);
      const inputs = session.inputNames.map((name): [string, Tensor] => [name, feeds[name]]);
      stream = (await session.run(Object.fromEntries(inputs)))[OUTPUT];
    }
    const rows = await this.#store.readRows(architecture.unembedding[0].name, [pos, neg].sort((a, b) => a - b));
    const sign = pos < neg ? 1 : -1;
    return Array.from({ length: batch }, (_, b) => {
      let sum = 0;
      const at = (b * n + n - 1) * d;
      for (let i = 0; i < d; i++) sum += (stream.data[at + i] as number) * sign * (rows[i] - rows[d + i]);
      return sum;
    });
  }
}

function bundled(name: string): URL {
  return new URL(`../../models/bundled/tiny-facts-saes/${name.slice("tiny-facts/".length)}/`, import.meta.url);
}

/** Pearson's correlation. */
export function pearson(x: readonly number[], y: readonly number[]): number {
  const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((a, i) => {
    xy += (a - mx) * (y[i] - my);
    xx += (a - mx) ** 2;
    yy += (y[i] - my) ** 2;
  });
  return xy / Math.sqrt(xx * yy);
}

/** Spearman's: Pearson's of the ranks, ties sharing theirs. */
export function spearman(x: readonly number[], y: readonly number[]): number {
  return pearson(ranks(x), ranks(y));
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const result = new Array<number>(values.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j + 1 < order.length && values[order[j + 1]] === values[order[i]]) j++;
    for (let k = i; k <= j; k++) result[order[k]] = (i + j) / 2;
    i = j + 1;
  }
  return result;
}

/** The slope of y against x through the means. */
export function slope(x: readonly number[], y: readonly number[]): number {
  const spread = (v: readonly number[]): number => {
    const mean = v.reduce((a, b) => a + b, 0) / v.length;
    return Math.sqrt(v.reduce((sum, a) => sum + (a - mean) ** 2, 0));
  };
  return pearson(x, y) * spread(y) / spread(x);
}
