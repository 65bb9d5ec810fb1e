/**
 * Pieces that families share: norms, centring, attention.
 *
 * @module
 */
import {
  add,
  type Dim,
  div,
  input,
  matMul,
  mul,
  reduceMean,
  softmax,
  sqrt,
  sub,
  transpose,
  type Value,
  withRole,
} from "../lib/graph/mod.ts";

/** x without its mean over the last axis. */
export function centred(x: Value): Value {
  return sub(x, reduceMean(x, [-1]));
}

/** A norm's values under TransformerLens's hook names, and its result with the weights applied. */
export interface Norm {
  /** `hook_scale`, `[batch, position, 1]` */
  readonly scale: Value;
  /** `hook_normalized`: before the weights */
  readonly normalized: Value;
  /** With the norm's weight, not yet its bias. */
  readonly scaled: Value;
  readonly output: Value;
}

/**
 * LayerNorm: (x − mean) / √(var + ε) · w + b.
 *
 * @param foldLn TransformerLens's folded weights have no part along the mean: what follows the hook is centred again,
 * which shows in the gradient at the hook (and in values put there), not in the model's own
 */
export function layerNorm(x: Value, weight: Value, bias: Value, eps: number, foldLn: boolean): Norm {
  const centre = centred(x);
  const scale = withRole(sqrt(add(reduceMean(mul(centre, centre), [-1]), eps)), "normalizer_scale");
  const normalized = div(centre, scale);
  const scaled = mul(foldLn ? centred(normalized) : normalized, weight);
  return { scale, normalized, scaled, output: add(scaled, bias) };
}

/** What attention hooks show. */
export interface Attention {
  /** `[batch, head, query, key]`, masked */
  readonly scores: Value;
  /** `[batch, head, query, key]` */
  readonly pattern: Value;
  /** `[batch, query, head, d_head]` */
  readonly z: Value;
}

/** Scaled dot-product attention; q, k, v are `[batch, position, head, d_head]`, the mask `[batch, 1, query, key]`. */
export function attention(q: Value, k: Value, v: Value, mask: Value, scale: number): Attention {
  const scores = add(mul(matMul(transpose(q, [0, 2, 1, 3]), transpose(k, [0, 2, 3, 1])), scale), mask);
  const pattern = withRole(softmax(scores), "attention_pattern");
  const z = transpose(matMul(pattern, transpose(v, [0, 2, 1, 3])), [0, 2, 1, 3]);
  return { scores, pattern, z };
}

/** The graph input of an additive mask. */
export function maskInput(name: string, query: Dim): Value {
  return input(name, ["batch", 1, query, "position"]);
}
