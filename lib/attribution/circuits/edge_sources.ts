/**
 * What is written to the residual stream, taken apart: features, errors, biases, embeddings.
 *
 * @module
 */
import type { ForwardState } from "../../model/stages/chain.ts";
import type { Sae } from "../../sae/sae.ts";
import type { SaeRun } from "../run/sae_hooks.ts";

/** What writes: a feature, an SAE's error or bias, a token's or a position's embedding. */
export type SourceKind = "feature" | "error" | "bias" | "token" | "position";

/** One vector at one position. */
export interface SourceNode {
  /** What it is. */
  readonly kind: SourceKind;
  /** Where it is written. */
  readonly hook: string;
  /** At which token, counted from 0. */
  readonly position: number;
  /** Of kind `feature`: its index in the SAE; else null. */
  readonly feature: number | null;
  /** Of kind `feature`: its activation; else null. */
  readonly activation: number | null;
}

/** A hook's value as the sum of its nodes. */
export interface Source {
  /** Where it is written. */
  readonly hook: string;
  /** What explains it. */
  readonly sae?: Sae;
  /** By position: features, error, bias; or one. */
  readonly nodes: readonly SourceNode[];
  /** Each node's index among all of the run. */
  readonly indices: readonly number[];
  /** By position, where its nodes begin; one more at the end. */
  readonly offsets: readonly number[];
  /** `[node, d]` */
  readonly vectors: Float32Array;
  /** Numbers per position. */
  readonly d: number;
}

/** A hook's value, one node per position. */
export function wholeSource(hook: string, kind: SourceKind, { values }: ForwardState): Omit<Source, "indices"> {
  const { dims: [, n], data } = values.get(hook)!;
  const positions = Array.from({ length: n }, (_, position) => position);
  const nodes = positions.map((position) => ({ kind, hook, position, feature: null, activation: null }));
  return { hook, nodes, offsets: [...positions, n], vectors: data, d: data.length / n };
}

/**
 * A hook's value as its SAE explains it: at every position features, error and bias.
 *
 * @param written what the features write at this hook, `[entry, d]`
 */
export function saeSource(
  { sae, saeIn, saeOut, encoded }: SaeRun,
  written: Float32Array,
): Omit<Source, "indices"> {
  const { config: { dOut: d }, hookOut: hook } = sae;
  const { activations: { rows, offsets, features, values }, normalized: { bias } } = encoded;
  const nodes: SourceNode[] = [];
  const starts = [0];
  const vectors = new Float32Array((values.length + 2 * rows) * d);
  for (let position = 0; position < rows; position++) {
    vectors.set(written.subarray(offsets[position] * d, offsets[position + 1] * d), nodes.length * d);
    for (let i = offsets[position]; i < offsets[position + 1]; i++) {
      nodes.push({ kind: "feature", hook, position, feature: features[i], activation: values[i] });
    }
    const at = nodes.length * d;
    for (let i = 0; i < d; i++) {
      vectors[at + i] = saeIn[position * d + i] - saeOut[position * d + i];
      vectors[at + d + i] = bias[position * d + i];
    }
    const none = { hook, position, feature: null, activation: null };
    nodes.push({ kind: "error", ...none }, { kind: "bias", ...none });
    starts.push(nodes.length);
  }
  return { hook, sae, nodes, offsets: starts, vectors, d };
}

/** What the features of a cross-layer transcoder's layer write at a later layer's hook: nodes that are there already. */
export function laterSource(own: Source, written: Float32Array, hook: string, sae: Sae | undefined): Source {
  const features = own.nodes.map((_, i) => i).filter((i) => own.nodes[i].kind === "feature");
  const offsets = own.offsets.map((offset) => features.filter((i) => i < offset).length);
  return {
    hook,
    sae,
    nodes: features.map((i) => own.nodes[i]),
    indices: features.map((i) => own.indices[i]),
    offsets,
    vectors: written,
    d: own.d,
  };
}
