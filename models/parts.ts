/**
 * Pieces that families share: norms, centring, rotary positions, attention, gated MLPs.
 *
 * @module
 */
import {
  activation,
  type ActivationName,
  add,
  concat,
  type Dim,
  div,
  graphInputs,
  input,
  matMul,
  mul,
  neg,
  reduceMean,
  reshape,
  slice,
  softmax,
  sqrt,
  sub,
  swapLast,
  tanh,
  transpose,
  type Value,
  withRole,
} from "../lib/graph/mod.ts";
import type { WeightRef } from "./family.ts";

/** A tensor of the model's files, under its name there less what {@linkcode weightsOf} puts before it. */
export function weight(name: string, shape: readonly number[]): Value {
  return input(name, shape);
}

/** The weights and biases that a graph takes, by the name of their input. */
export function weightsOf(output: Value, prefix: string): Record<string, WeightRef> {
  const weights = [...graphInputs({ output })].filter(([name]) => /\.(weight|bias)$/.test(name));
  return Object.fromEntries(
    weights.map(([name, { shape }]) => [name, { name: prefix + name, shape: shape as number[] }]),
  );
}

/** The stream as it comes into a block, and what of the block runs at some rows only: all that follows the queries. */
export interface BlockInput {
  /** `[batch, position, d_model]` */
  readonly residPre: Value;
  /** The axis of queries. */
  readonly query: Dim;
  /** A value `[batch, position, …]` at the queries' positions. */
  queries(x: Value): Value;
}

/** The inputs of a block's graph. */
export function blockInput(dModel: number, selectRows: boolean): BlockInput {
  const residPre = input("resid", ["batch", "position", dModel]);
  const rows = input("rows", ["batch", "row", "position"]);
  return selectRows
    ? { residPre, query: "row", queries: (x) => matMul(rows, x) }
    : { residPre, query: "position", queries: (x) => x };
}

/** The same value as one of its own: what is put there goes this way only. */
export function branch(x: Value): Value {
  return reshape(x, x.shape);
}

/** x without its mean over the last axis. */
export function centred(x: Value): Value {
  return sub(x, reduceMean(x, [-1]));
}

/** x Wᵀ + b, with W `[out, in]` as torch's Linear has it. */
export function linear(x: Value, w: Value, b?: Value): Value {
  const product = matMul(x, swapLast(w));
  return b ? add(product, b) : product;
}

/** cap · tanh(x / cap); without a cap, x. */
export function softCapped(x: Value, cap?: number): Value {
  return cap === undefined ? x : mul(tanh(div(x, cap)), cap);
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
export function layerNorm(x: Value, w: Value, b: Value, eps: number, foldLn: boolean): Norm {
  const centre = centred(x);
  const scale = withRole(sqrt(add(reduceMean(mul(centre, centre), [-1]), eps)), "normalizer_scale");
  const normalized = div(centre, scale);
  const scaled = mul(foldLn ? centred(normalized) : normalized, w);
  return { scale, normalized, scaled, output: add(scaled, b) };
}

/** RMSNorm: x / √(mean(x²) + ε) · w. */
export function rmsNorm(x: Value, w: Value, eps: number): Norm {
  const scale = withRole(sqrt(add(reduceMean(mul(x, x), [-1]), eps)), "normalizer_scale");
  const normalized = div(x, scale);
  const output = mul(normalized, w);
  return { scale, normalized, scaled: output, output };
}

/** A norm's hooks under its name. */
export function normHooks(name: string, { scale, normalized }: Norm): Record<string, Value> {
  return { [`${name}.hook_scale`]: scale, [`${name}.hook_normalized`]: normalized };
}

/** A projection after a LayerNorm, its bias apart. */
export interface Projection {
  readonly product: Value;
  readonly bias?: Value;
}

/**
 * x W + b after a LayerNorm. Folding moves the norm's own bias through W into b, so that a hook which lacks the bias
 * lacks that too.
 *
 * @param w `[in, out]`
 */
export function projectNorm(norm: Norm, normBias: Value, foldLn: boolean, w: Value, b?: Value): Projection {
  if (!foldLn) return { product: matMul(norm.output, w), bias: b };
  const [dIn, dOut] = w.shape as number[];
  const moved = reshape(matMul(reshape(normBias, [1, dIn]), w), [dOut]);
  return { product: matMul(norm.scaled, w), bias: b ? add(b, moved) : moved };
}

/** `[batch, position, head · d_head]` as `[batch, position, head, d_head]`. */
export function splitHeads(x: Value, nHeads: number): Value {
  const [batch, position, width] = x.shape;
  return reshape(x, [batch, position, nHeads, width as number / nHeads]);
}

/** The opposite of {@linkcode splitHeads}. */
export function joinHeads(x: Value): Value {
  const [batch, position, nHeads, dHead] = x.shape;
  return reshape(x, [batch, position, (nHeads as number) * (dHead as number)]);
}

/** Tables of rotary positions, `[batch, position, rotary]`. */
export interface Rotary {
  readonly cos: Value;
  readonly sin: Value;
}

/** The graph inputs of the tables of one name. */
export function rotaryInput(name: string, dim: number): Rotary {
  const table = (part: string): Value => input(`${name}:${part}`, ["batch", "position", dim]);
  return { cos: table("cos"), sin: table("sin") };
}

/**
 * Rotary positions (Su et al. 2021) with halves as pairs: the first `rotary` numbers (x₁, x₂) of every head of
 * x `[batch, position, head, d_head]` become (x₁ cos − x₂ sin, x₂ cos + x₁ sin); the others stay.
 */
export function rotate(x: Value, { cos, sin }: Rotary): Value {
  const [batch, position, dim] = cos.shape as [Dim, Dim, number];
  const dHead = x.shape[3] as number;
  const perHead = (table: Value): Value => reshape(table, [batch, position, 1, dim]);
  const [first, second] = [slice(x, -1, 0, dim / 2), slice(x, -1, dim / 2, dim)];
  const turned = concat([neg(second), first], -1);
  const rotating = dim === dHead ? x : slice(x, -1, 0, dim);
  const rotated = add(mul(rotating, perHead(cos)), mul(turned, perHead(sin)));
  return dim === dHead ? rotated : concat([rotated, slice(x, -1, dim, dHead)], -1);
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

/** How scores are made of q·k. */
export interface AttentionOptions {
  readonly scale: number;
  /** Scores x become cap · tanh(x / cap), before the mask. */
  readonly softCap?: number;
}

/**
 * Attention with the same keys and values for a group of heads (Ainslie et al. 2023), or a head each.
 *
 * @param q `[batch, query, head, d_head]`
 * @param k, v `[batch, position, kv_head, d_head]`
 * @param mask `[batch, 1, query, position]`, added
 */
export function attention(q: Value, k: Value, v: Value, mask: Value, options: AttentionOptions): Attention {
  const [batch, query, nHeads, dHead] = q.shape as [Dim, Dim, number, number];
  const nKeyValueHeads = k.shape[2] as number;
  const group = nHeads / nKeyValueHeads;
  // The heads of a group are one matrix of group · query rows, so that keys and values are not repeated.
  const rows = group === 1 ? query : `${group}*${query}`;
  const grouped = (x: Value, last: Dim): Value => group === 1 ? x : reshape(x, [batch, nKeyValueHeads, rows, last]);
  const ungrouped = (x: Value, last: Dim): Value => group === 1 ? x : reshape(x, [batch, nHeads, query, last]);
  const products = withRole(
    matMul(grouped(transpose(q, [0, 2, 1, 3]), dHead), transpose(k, [0, 2, 3, 1])),
    "attention_scores",
  );
  const scores = add(softCapped(mul(ungrouped(products, "position"), options.scale), options.softCap), mask);
  const pattern = withRole(softmax(scores), "attention_pattern");
  const mixed = withRole(matMul(grouped(pattern, "position"), transpose(v, [0, 2, 1, 3])), "attention_mix");
  return { scores, pattern, z: transpose(ungrouped(mixed, dHead), [0, 2, 1, 3]) };
}

/** z with its head's value bias, `[kv_head · d_head]`; patterns sum to 1, so that this is as good as in the values. */
export function addValueBias(z: Value, bias: Value, nKeyValueHeads: number): Value {
  const [batch, query, nHeads, dHead] = z.shape as [Dim, Dim, number, number];
  const groups = reshape(z, [batch, query, nKeyValueHeads, nHeads / nKeyValueHeads, dHead]);
  return reshape(add(groups, reshape(bias, [nKeyValueHeads, 1, dHead])), z.shape);
}

/** The graph input of an additive mask. */
export function maskInput(name: string, query: Dim): Value {
  return input(name, ["batch", 1, query, "position"]);
}

/** A gated MLP's values, `[batch, position, d_mlp]` but for the last. */
export interface GatedMlp {
  /** `hook_pre`: x W_gateᵀ */
  readonly pre: Value;
  /** `hook_pre_linear`: x W_upᵀ */
  readonly preLinear: Value;
  /** `hook_post`: act(x W_gateᵀ) ⊙ x W_upᵀ */
  readonly post: Value;
  /** `[batch, position, d_model]` */
  readonly output: Value;
}

/** A gated MLP (Shazeer 2020): (act(x W_gateᵀ) ⊙ x W_upᵀ) W_downᵀ, with the weights' names in transformers. */
export function gatedMlp(x: Value, dMlp: number, actFn: ActivationName): GatedMlp {
  const d = x.shape.at(-1) as number;
  const pre = linear(x, weight("mlp.gate_proj.weight", [dMlp, d]));
  const preLinear = linear(x, weight("mlp.up_proj.weight", [dMlp, d]));
  return gated(pre, preLinear, d, actFn);
}

/** A gated MLP from what comes out of its first two matrices, `[batch, position, d_mlp]`. */
export function gated(pre: Value, preLinear: Value, dModel: number, actFn: ActivationName): GatedMlp {
  const post = withRole(mul(activation(pre, actFn), preLinear), "gate");
  const wDown = weight("mlp.down_proj.weight", [dModel, pre.shape.at(-1) as number]);
  return { pre, preLinear, post, output: linear(post, wDown) };
}

/**
 * The unembedding's candidates: `lm_head.weight`, which transformers 5.14 and later write, the family's older names of it,
 * and the embedding if it is tied.
 */
export function unembeddingOf(tokens: WeightRef, isTied: boolean, older: readonly string[] = []): WeightRef[] {
  const heads = ["lm_head.weight", ...older].map((name) => ({ ...tokens, name }));
  return isTied ? [...heads, tokens] : heads;
}
