/**
 * What a result is made from, and what it holds.
 *
 * @module
 */
import type { ChatTurn } from "../../model/chat/chat_types.ts";
import type { Model, Token } from "../../model/model.ts";
import type { ExactOptions } from "../methods/ablation.ts";
import type { MethodName } from "../methods/names.ts";
import type { AttributionGrads } from "../run/attribution_grads.ts";
import type { BaselineRun } from "../run/baseline.ts";
import type { Prediction } from "../run/predict.ts";
import type { SaeAttribution } from "./sae_attribution.ts";

/** What a result is made from. */
export interface AttributionParts {
  /** The model. */
  readonly model: Model;
  /** The metric's name, `grads.resolvedMetric.name`. */
  readonly metricName: string;
  /** How gradients were taken. */
  readonly method: MethodName;
  /** Which rows are exact, or know their curvature. */
  readonly exact?: ExactOptions;
  /** What features were compared with; undefined: zero. */
  readonly baseline?: BaselineRun;
  /** The forward and the backward pass. */
  readonly grads: AttributionGrads;
  /** By the hook that the SAE writes. */
  readonly saes: ReadonlyMap<string, SaeAttribution>;
  /** Hooks whose own activations are attributed to. */
  readonly trackHookPoints: readonly string[];
  /** The SAEs' errors were kept. */
  readonly includeErrorTerm: boolean;
  /** How many predictions to keep. */
  readonly topPredictions: number;
  /** What the user should look at. */
  readonly warnings: readonly string[];
  /** Milliseconds by part of the run. */
  readonly timings: Readonly<Record<string, number>>;
}

/** What of a result is told in a summary and on a console. */
export interface ResultData {
  readonly metric: number;
  readonly tokens: readonly Token[];
  readonly turns: readonly ChatTurn[];
  readonly baselineTokens: readonly Token[];
  readonly predictions: readonly Prediction[];
  readonly predictionsPosition: number;
  readonly continuation: readonly Prediction[];
  readonly warnings: readonly string[];
  readonly parts: AttributionParts;
}
