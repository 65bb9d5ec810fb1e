/**
 * What an attribution run returns.
 *
 * @module
 */
import { overview } from "./overview.ts";
import { DENO_INSPECT, type Inspect, showFields } from "../../inspect.ts";
import type { ChatTurn } from "../../model/chat/chat_types.ts";
import type { Token } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Sae } from "../../sae/sae.ts";
import { toDense } from "../../sae/sparse.ts";
import { continuationPredictions, type Prediction, predictionRow, predictionsAt } from "../run/predict.ts";
import type { Fit } from "./fit.ts";
import type { AttributionParts } from "./parts.ts";
import type { AttributionRow, Decomposition, SaeAttribution } from "./sae_attribution.ts";
import { summarise, type Summary } from "./summary.ts";
import { MASKED } from "../../model/stages/feeds.ts";
import { fitWarning } from "../run/warnings.ts";

/** The attribution of a metric, by hook. Dense matrices are made when they are asked for. */
export class Attribution {
  /** The metric's value. */
  readonly metric: number;
  /** The tokens of the run. */
  readonly tokens: readonly Token[];
  /** Of a chat, its messages in the tokens. */
  readonly turns: readonly ChatTurn[];
  /** The tokens of the prompt that it is compared with; none where the baseline is not a prompt. */
  readonly baselineTokens: readonly Token[];
  /** The model's top predictions after {@linkcode predictionsPosition}, without SAEs' effect if the error term is on. */
  readonly predictions: readonly Prediction[];
  /** The prompt's last position where the metric is about a continuation, else the metric's last. */
  readonly predictionsPosition: number;
  /** With `topPredictions`, the tokens of a continuation, each among the predictions after those before it. */
  readonly continuation: readonly Prediction[];
  /** The hooks of the SAEs, in the order in which they run. */
  readonly hooks: readonly string[];
  /** The notebook's figure: 0.5 with the error term, 0 without; it carries no information. */
  readonly saeErrorsAttributionProportion: Readonly<Record<string, number>>;
  /** By hook, how features, bias and error add up. */
  readonly decomposition: Readonly<Record<string, Decomposition>>;
  /** By hook, how well the SAE reconstructs this prompt. */
  readonly fit: Readonly<Record<string, Fit>>;
  /** Tracked hooks: gradient × activation, `[position, …]`. */
  readonly modelAttributions: Readonly<Record<string, FloatTensor>>;
  /** Tracked hooks: the values that the rest of the model saw. */
  readonly modelActivations: Readonly<Record<string, FloatTensor>>;
  /** Tracked hooks: gradients at those values. */
  readonly modelGrads: Readonly<Record<string, FloatTensor>>;
  /** What the user should look at. */
  readonly warnings: readonly string[];
  /** What it was made from, for reports. */
  readonly parts: AttributionParts;

  private constructor(
    parts: AttributionParts,
    tokens: readonly Token[],
    baselineTokens: readonly Token[],
    predictions: readonly Prediction[],
    continuation: readonly Prediction[],
  ) {
    const { grads, saes, trackHookPoints } = parts;
    const perSae = <T>(f: (sae: SaeAttribution) => T): Record<string, T> =>
      Object.fromEntries([...saes].map(([hook, sae]) => [hook, f(sae)]));
    const perTracked = (
      f: (activation: FloatTensor, gradient: FloatTensor) => FloatTensor,
    ): Record<string, FloatTensor> =>
      Object.fromEntries(trackHookPoints.map((hook) => [
        hook,
        f(withoutBatch(grads.state.values.get(hook)!), withoutBatch(grads.gradients.get(hook)!)),
      ]));
    this.parts = parts;
    this.metric = grads.metric;
    this.tokens = tokens;
    this.turns = grads.turns ?? [];
    this.baselineTokens = baselineTokens;
    this.predictions = predictions;
    this.predictionsPosition = grads.rows[predictionRow(grads)];
    this.continuation = continuation;
    this.hooks = [...saes.keys()];
    this.saeErrorsAttributionProportion = perSae(({ errorsAttributionProportion }) => errorsAttributionProportion);
    this.decomposition = perSae(({ decomposition }) => decomposition);
    this.fit = perSae(({ fit }) => fit);
    this.modelActivations = perTracked((activation) => unmasked(activation));
    this.modelGrads = perTracked((_, gradient) => gradient);
    // A masked score has no effect: 0, where the reference stack has −∞ · 0.
    this.modelAttributions = perTracked((a, g) => ({ dims: a.dims, data: a.data.map((x, i) => x * g.data[i] || 0) }));
    this.warnings = [...[...saes].flatMap(([hook, sae]) => fitWarning(hook, sae)), ...parts.warnings];
  }

  /** Makes the result of a run. */
  static async create(parts: AttributionParts): Promise<Attribution> {
    const { model, grads, topPredictions } = parts;
    const tokens = await model.describeTokens(grads.tokens);
    const baselineTokens = await model.describeTokens(parts.baseline?.tokens ?? []);
    const predictions = topPredictions > 0
      ? await predictionsAt(model, await grads.modelOutput(), predictionRow(grads), topPredictions)
      : [];
    const continuation = topPredictions > 0 ? await continuationPredictions(model, grads) : [];
    return new Attribution(parts, tokens, baselineTokens, predictions, continuation);
  }

  /** Nonzero attributions at a hook, largest first; ties by position, then feature. */
  rows(hook: string): readonly AttributionRow[] {
    return this.#at(hook).rows;
  }

  /** The SAE at a hook. */
  sae(hook: string): Sae {
    return this.#at(hook).run.sae;
  }

  /** Activations `[position, feature]`, zeros included. */
  saeFeatureActivations(hook: string): Promise<FloatTensor> {
    const { run } = this.#at(hook);
    return Promise.resolve(toDense(run.encoded.activations, run.sae.config.dSae));
  }

  /** ∂metric/∂activation `[position, feature]`, also of features that are not active. The SAE must still be open. */
  saeFeatureGrads(hook: string): Promise<FloatTensor> {
    const { run, writtenGradient } = this.#at(hook);
    return run.sae.denseGradients(run.encoded, writtenGradient);
  }

  /** Attributions `[position, feature]`, zeros included. */
  saeFeatureAttributions(hook: string): Promise<FloatTensor> {
    const { run, rows } = this.#at(hook);
    const { dSae } = run.sae.config;
    const data = new Float32Array(this.tokens.length * dSae);
    for (const { position, feature, attribution } of rows) data[position * dSae + feature] = attribution;
    return Promise.resolve({ dims: [this.tokens.length, dSae], data });
  }

  /** The run in figures, ready for JSON. */
  summary(): Summary {
    return summarise(this);
  }

  /** What `console.log` shows. */
  [DENO_INSPECT](inspect: Inspect, options: unknown): string {
    return showFields("Attribution", overview(this), inspect, options);
  }

  #at(hook: string): SaeAttribution {
    const found = this.parts.saes.get(hook);
    if (!found) {
      throw new RangeError(`No SAE writes "${hook}" in this run; there is ${this.hooks.join(", ") || "none"}`);
    }
    return found;
  }
}

function withoutBatch({ dims, data }: FloatTensor): FloatTensor {
  return { dims: dims.slice(1), data };
}

/** Masked scores as TransformerLens shows them. */
function unmasked({ dims, data }: FloatTensor): FloatTensor {
  return { dims, data: data.map((x) => x <= MASKED / 2 ? -Infinity : x) };
}
