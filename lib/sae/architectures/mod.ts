/**
 * The SAE architectures that can be run.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import type { SaeArchitecture } from "./architecture.ts";
import { matchingPursuit } from "./matching_pursuit.ts";
import { gated, jumprelu, linear, standard } from "./standard.ts";
import { temporal } from "./temporal.ts";

export type { OwnEncoded, OwnEncoding, SaeArchitecture } from "./architecture.ts";

/** It reads a layer's input and writes its output. */
const transcoder = { transcoder: true } as const;
/** The same with a linear path past the features: x̂ = f · W_dec + b_dec + x · W_skipᵀ. */
const skipTranscoder = { transcoder: true, skip: true } as const;

/** Architectures by SAELens's name; `topk_transcoder` and `topk_skip_transcoder` are ours for circuit-tracer's. */
export const ARCHITECTURES: Readonly<Record<string, SaeArchitecture>> = {
  standard,
  gated,
  jumprelu,
  topk: { ...standard, topK: "by value" }, // Gao et al. 2024
  abstopk: { ...linear, topK: "by magnitude" }, // arXiv 2510.00404
  transcoder: { ...standard, ...transcoder }, // Dunefsky et al. 2024
  skip_transcoder: { ...standard, ...skipTranscoder }, // Paulo et al. 2025
  jumprelu_transcoder: { ...jumprelu, ...transcoder },
  jumprelu_skip_transcoder: { ...jumprelu, ...skipTranscoder },
  topk_transcoder: { ...linear, topK: "by value", ...transcoder }, // negative ones stay too
  topk_skip_transcoder: { ...linear, topK: "by value", ...skipTranscoder },
  matching_pursuit: matchingPursuit,
  temporal,
};

/** Why some known names are not among them. */
const TRAINING_ONLY = "a form for training only: save it for inference with SAELens, which makes it jumprelu";
const REASONS: Readonly<Record<string, string>> = {
  batchtopk: TRAINING_ONLY,
  matryoshka_batchtopk: TRAINING_ONLY,
};

/**
 * Finds an architecture.
 *
 * @throws {RangeError} if it is not supported; the message lists those that are.
 */
export function findArchitecture(name: string): SaeArchitecture {
  if (Object.hasOwn(ARCHITECTURES, name)) return ARCHITECTURES[name];
  const reason = Object.hasOwn(REASONS, name) ? ` (${REASONS[name]})` : "";
  const known = Object.keys(ARCHITECTURES).join(", ");
  throw new RangeError(`SAE architecture ${quote(name)} is not supported${reason}; supported are ${known}`);
}
