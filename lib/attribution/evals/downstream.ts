/**
 * What putting an SAE's output in the place of a hook's value does to the model's predictions.
 *
 * @module
 */
import { gatherRows } from "../../model/stages/feeds.ts";
import type { Unembedding } from "../../model/stages/unembedding.ts";
import { type FloatTensor, joined, logSumExp } from "../../runtime/tensor.ts";

/** The most bytes of logits in memory at once, of the three runs together. */
const LOGITS_BYTES = 128 * 2 ** 20;

/** Divergence from the model's own predictions, in nats per token. */
export interface ModelBehaviorPreservation {
  /** The part of the ablation's divergence that the SAE saves: (ablation − SAE) / ablation. */
  readonly kl_div_score: number;
  /** KL(model ‖ model with zeros at the hook). */
  readonly kl_div_with_ablation: number;
  /** KL(model ‖ model with the SAE's output at the hook). */
  readonly kl_div_with_sae: number;
}

/** Cross-entropy of the next token, in nats per token. */
export interface ModelPerformancePreservation {
  /** (ablation − SAE) / (ablation − model): 1 where the SAE loses nothing. Meaningless if ablating does not hurt. */
  readonly ce_loss_score: number;
  /** With zeros at the hook. */
  readonly ce_loss_with_ablation: number;
  /** With the SAE's output at the hook. */
  readonly ce_loss_with_sae: number;
  /** Of the model itself. */
  readonly ce_loss_without_sae: number;
}

/** The final norm's output of one prompt, `[1, position, d_model]`, in three runs. */
export interface ThreeRuns {
  /** The model itself. */
  readonly clean: FloatTensor;
  /** With the SAE's output at the hook. */
  readonly withSae: FloatTensor;
  /** With zeros at the hook. */
  readonly ablated: FloatTensor;
}

/** Sums over tokens. */
export class DownstreamSums {
  #tokens = 0;
  #kl = { sae: 0, ablated: 0 };
  /** Tokens that have a next one. */
  #targets = 0;
  #ce = { clean: 0, sae: 0, ablated: 0 };

  /** Adds a prompt's tokens at some positions, a bounded number of rows of logits at a time. */
  async add(
    unembedding: Unembedding,
    { clean, withSae, ablated }: ThreeRuns,
    tokens: readonly number[],
    positions: readonly number[],
    dVocab: number,
  ): Promise<void> {
    const step = Math.max(1, Math.floor(LOGITS_BYTES / 4 / dVocab / 3));
    for (let start = 0; start < positions.length; start += step) {
      const some = positions.slice(start, start + step);
      const logits = await unembedding.logits(stack([clean, withSae, ablated].map((x) => gatherRows(x, [some]))));
      const row = (run: number, i: number): Float32Array => {
        const r = run * some.length + i;
        return logits.data.subarray(r * dVocab, (r + 1) * dVocab);
      };
      some.forEach((position, i) => this.#addToken(row(0, i), row(1, i), row(2, i), tokens[position + 1]));
    }
  }

  #addToken(clean: Float32Array, sae: Float32Array, ablated: Float32Array, next: number | undefined): void {
    const [zClean, zSae, zAblated] = [clean, sae, ablated].map((row) => logSumExp(row));
    this.#tokens++;
    for (let i = 0; i < clean.length; i++) {
      const logP = clean[i] - zClean;
      const p = Math.exp(logP);
      this.#kl.sae += p * (logP - (sae[i] - zSae));
      this.#kl.ablated += p * (logP - (ablated[i] - zAblated));
    }
    if (next === undefined) return;
    this.#targets++;
    this.#ce.clean += zClean - clean[next];
    this.#ce.sae += zSae - sae[next];
    this.#ce.ablated += zAblated - ablated[next];
  }

  /** Means over tokens. */
  behavior(): ModelBehaviorPreservation {
    const [sae, ablated] = [this.#kl.sae / this.#tokens, this.#kl.ablated / this.#tokens];
    return { kl_div_score: (ablated - sae) / ablated, kl_div_with_ablation: ablated, kl_div_with_sae: sae };
  }

  /** Means over tokens that have a next one; NaN if none has. */
  performance(): ModelPerformancePreservation {
    const [clean, sae, ablated] = [this.#ce.clean, this.#ce.sae, this.#ce.ablated].map((sum) => sum / this.#targets);
    return {
      ce_loss_score: (ablated - sae) / (ablated - clean),
      ce_loss_with_ablation: ablated,
      ce_loss_with_sae: sae,
      ce_loss_without_sae: clean,
    };
  }
}

/** `[1, row, d]` after one another: the weights of the unembedding are read once for all. */
function stack(parts: readonly FloatTensor[]): FloatTensor {
  const [{ dims: [, rows, d] }] = parts;
  return { dims: [1, parts.length * rows, d], data: joined(parts.map(({ data }) => data)) };
}
