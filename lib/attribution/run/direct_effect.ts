/**
 * Direct effects: the part of an attribution along paths that go from a hook straight to the final norm, past all blocks.
 *
 * With h the residual stream after the last block, σ the final norm's scale held at its value in this run, and m the
 * metric: `direct_effect[p, f] = f · s · (W_dec[f] · ∂m/∂h[p])`, which is 0 where the metric does not read position p. For a
 * logit difference that is the feature's direction through the centred, scaled unembedding ("direct logit attribution").
 * It is not what remains if later layers are ablated, which would change σ too; nor has it the final norm's own reaction.
 *
 * @module
 */
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { ForwardState } from "../../model/stages/chain.ts";
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";

/** Hooks whose values are parts of the residual stream: it is their sum. */
const IN_STREAM = /^(hook_(embed|pos_embed)|blocks\.\d+\.hook_(resid_(pre|mid|post)|attn_out|mlp_out))$/;

/**
 * Checks that SAEs write into the residual stream.
 *
 * @throws {RangeError} if one does not
 */
export function checkDirectEffects(saes: readonly Sae[]): void {
  const other = saes.find(({ hookOut }) => !IN_STREAM.test(hookOut));
  if (!other) return;
  throw new RangeError(
    `The SAE at ${other.hookOut} does not write into the residual stream, so its features have no direct effect: ` +
      "leave out `directEffect`, or take an SAE at hook_resid_pre, _mid or _post, hook_attn_out or hook_mlp_out",
  );
}

/** The residual stream after the last block. */
export function streamEnd({ architecture: { config: { nLayers } } }: Model): string {
  return `blocks.${nLayers - 1}.hook_resid_post`;
}

/**
 * ∂metric/∂h with the final norm's scale constant, `[1, position, d_model]`.
 *
 * @param state a forward pass that was asked for gradients from the stream's end
 * @param gradient at the final norm's output
 * @param eachRow these rows each on its own, `[row, position, d_model]`
 */
export async function directGradient(
  model: Model,
  state: ForwardState,
  gradient: FloatTensor,
  eachRow?: readonly number[],
): Promise<FloatTensor> {
  const end = streamEnd(model);
  return (await model.chain.backward(state, gradient, [end], { stop: ["normalizer_scale"], eachRow })).get(end)!;
}
