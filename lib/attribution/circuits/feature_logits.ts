/**
 * Which next tokens a feature raises and lowers by itself: its decoder row through the final norm's weights and the
 * unembedding, past all layers between (nostalgebraist's logit lens, on a direction).
 *
 * @module
 */
import { checkOptions } from "../../options.ts";
import type { Graph, Value } from "../../graph/mod.ts";
import type { Model } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Sae } from "../../sae/sae.ts";
import { featureDirections } from "./feature_directions.ts";
import { NO_PROCESSING } from "../../model/architecture.ts";

/** A token and what a feature adds to its logit. */
export interface TokenLogit {
  /** The token's id. */
  readonly id: number;
  /** Per unit of the feature's activation, before the final norm divides by its scale; minus the vocabulary's mean. */
  readonly logit: number;
}

/** The tokens at both ends. */
export interface FeatureLogits {
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** The tokens that it raises most, the most raised first. */
  readonly raised: readonly TokenLogit[];
  /** The tokens that it lowers most, the most lowered first. */
  readonly lowered: readonly TokenLogit[];
}

/**
 * The tokens whose logits features raise and lower most: `d · L · W_U` with d what the feature adds to the residual stream
 * (W_dec[f]; of SAEs at `hook_z` and `hook_post`, times the output weights), minus its mean over the vocabulary, with L
 * the final norm without its division (centring, for LayerNorm, and the norm's weights). A final soft cap, which keeps
 * the order, is left out. The unembedding is read in slices of the vocabulary, once for all features.
 *
 * @param features indices of features, each once
 * @throws {RangeError} if the SAE has no such feature, or its features reach the residual stream only through a norm or
 * other things that are not linear
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { featureLogits } from "./feature_logits.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const [{ raised }] = await featureLogits(model, sae, [189], { top: 3 });
 * console.assert(raised.length === 3 && raised[0].logit >= raised[1].logit);
 * ```
 */
export async function featureLogits(
  model: Model,
  sae: Sae,
  features: readonly number[],
  options: { readonly top?: number } = {},
): Promise<FeatureLogits[]> {
  checkOptions("featureLogits", options, { top: "count" });
  const { top = 10 } = options;
  const beyond = features.find((feature) => !Number.isInteger(feature) || feature < 0 || feature >= sae.config.dSae);
  if (beyond !== undefined) throw new RangeError(`There is no feature ${beyond}: the SAE has ${sae.config.dSae}`);
  if (features.length === 0) return [];
  const directions = await throughFinalNorm(model, await featureDirections(model, sae, features));
  const n = features.length;
  const ends = Array.from({ length: n }, () => ({ raised: new Largest(top), lowered: new Largest(top) }));
  const sums = new Float64Array(n);
  await model.unembedding.visitLogits(directions, (logits, start, end) => {
    const width = end - start;
    for (let r = 0; r < n; r++) {
      const { raised, lowered } = ends[r];
      for (let i = 0; i < width; i++) {
        const logit = logits[r * width + i];
        sums[r] += logit;
        raised.add(start + i, logit);
        lowered.add(start + i, -logit);
      }
    }
  });
  return features.map((feature, r) => {
    const mean = sums[r] / model.architecture.config.dVocab;
    return {
      feature,
      raised: ends[r].raised.found.map(({ id, value }) => ({ id, logit: value - mean })),
      lowered: ends[r].lowered.found.map(({ id, value }) => ({ id, logit: -value - mean })),
    };
  });
}

/**
 * The final norm's linear part, `[1, row, d_model]`. Its output is (L x) / scale(x) + b, so that L x is what is left of
 * it without b, the output for 0, times the scale.
 */
async function throughFinalNorm(model: Model, rows: Float32Array): Promise<FloatTensor> {
  const { dModel } = model.architecture.config;
  const n = rows.length / dModel;
  const data = new Float32Array((n + 1) * dModel);
  data.set(rows, dModel); // row 0 stays 0
  const session = await model.runtime.session(finalGraph(model));
  const weights = await model.readWeights(model.architecture.finalWeights());
  const { output, scale } = await session.run({ resid: { dims: [1, n + 1, dModel], data }, ...weights });
  const [out, scales] = [output.data as Float32Array, scale.data as Float32Array];
  const linear = new Float32Array(n * dModel);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < dModel; i++) {
      linear[r * dModel + i] = (out[(r + 1) * dModel + i] - out[i]) * scales[r + 1];
    }
  }
  return { dims: [1, n, dModel], data: linear };
}

function finalGraph({ architecture }: Model): Graph {
  const { output, hooks }: { output: Value; hooks: Graph } = architecture.final(NO_PROCESSING);
  return { output, scale: hooks["ln_final.hook_scale"] };
}

/** The largest of many values, largest first; of equal ones, those that came first. */
class Largest {
  readonly found: { id: number; value: number }[] = [];
  readonly #count: number;
  #least = -Infinity;

  constructor(count: number) {
    this.#count = count;
  }

  add(id: number, value: number): void {
    if (value <= this.#least) return;
    let at = this.found.length;
    while (at > 0 && this.found[at - 1].value < value) at--;
    this.found.splice(at, 0, { id, value });
    if (this.found.length > this.#count) this.found.pop();
    if (this.found.length === this.#count) this.#least = this.found[this.#count - 1].value;
  }
}
