/**
 * The SAE architectures that can be run.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { abstopk } from "./abstopk.ts";
import type { SaeArchitecture } from "./architecture.ts";
import { gated } from "./gated.ts";
import { jumprelu } from "./jumprelu.ts";
import { jumpreluSkipTranscoder } from "./jumprelu_skip_transcoder.ts";
import { jumpreluTranscoder } from "./jumprelu_transcoder.ts";
import { matchingPursuit } from "./matching_pursuit.ts";
import { skipTranscoder } from "./skip_transcoder.ts";
import { standard } from "./standard.ts";
import { temporal } from "./temporal.ts";
import { topk } from "./topk.ts";
import { topkSkipTranscoder } from "./topk_skip_transcoder.ts";
import { topkTranscoder } from "./topk_transcoder.ts";
import { transcoder } from "./transcoder.ts";

export type { OwnEncoded, OwnEncoding, SaeArchitecture } from "./architecture.ts";

/** Architectures by SAELens's name; `topk_transcoder` and `topk_skip_transcoder` are ours for circuit-tracer's. */
export const ARCHITECTURES: Readonly<Record<string, SaeArchitecture>> = {
  standard,
  gated,
  jumprelu,
  topk,
  abstopk,
  transcoder,
  skip_transcoder: skipTranscoder,
  jumprelu_transcoder: jumpreluTranscoder,
  jumprelu_skip_transcoder: jumpreluSkipTranscoder,
  topk_transcoder: topkTranscoder,
  topk_skip_transcoder: topkSkipTranscoder,
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
