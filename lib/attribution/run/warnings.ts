/**
 * What a user should look at before believing a run.
 *
 * @module
 */
import { NO_PROCESSING, type Processing } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { runWithSaes } from "./run_prompts.ts";
import type { AttributionGrads } from "./attribution_grads.ts";
import type { AttributionOptions } from "./attribution_options.ts";
import { processingIsGuessed, showProcessing } from "./processing.ts";
import { type Fit, measureFit } from "../result/fit.ts";
import { isDistrusted } from "../result/distrust.ts";
import type { SaeAttribution } from "../result/sae_attribution.ts";

/** Another form of the model counts as better only where it explains more by at least this share. */
const BETTER_FIT = 0.05;

const explained = (fit: Fit): number => fit.explainedVarianceWithoutFirst ?? fit.explainedVarianceOverall;
const percent = (x: number): string => `${(100 * x).toFixed(0)} %`;

/** A line if the SAE does not fit this prompt. */
export function fitWarning(hook: string, { fit }: SaeAttribution): string[] {
  if (!fit.isPoor) return [];
  return [
    `The SAE at ${hook} explains ${
      percent(explained(fit))
    } of the variance of this prompt (first position left out): ` +
    `is it made for this model, layer and processing?`,
  ];
}

/** What SAEs and method give reason to look at. Of a badly fitting SAE the other processing is tried, if it was guessed. */
export async function resultWarnings(
  model: Model,
  grads: AttributionGrads,
  saes: ReadonlyMap<string, SaeAttribution>,
  { diagnose = true, saes: asked = [], processing, processingFlags }: AttributionOptions,
): Promise<string[]> {
  const isGuessed = diagnose && processingIsGuessed(asked, processing, processingFlags);
  return [
    ...specialTokenWarnings(model, grads, saes),
    ...integrationWarnings(saes),
    ...distrustWarnings(saes),
    ...(isGuessed ? await tryOtherProcessing(model, grads, saes) : []),
  ];
}

/** A line if integrated gradients do not add up to the joint effect. */
function integrationWarnings(saes: ReadonlyMap<string, SaeAttribution>): string[] {
  return [...saes].flatMap(([hook, { integration }]) => {
    if (!integration || integration.converged) return [];
    const { steps, sum, difference } = integration;
    return [
      `Integrated gradients at ${hook} have not converged after ${steps} steps: they add up to ${
        sum.toPrecision(4)
      }, ` +
      `the joint effect is ${difference.toPrecision(4)}; allow more steps or a larger tolerance`,
    ];
  });
}

/** The most rows that a line names. */
const MOST_NAMED = 8;

/** A line if a second-order estimate says that some of the strongest rows are not to be trusted. */
function distrustWarnings(saes: ReadonlyMap<string, SaeAttribution>): string[] {
  return [...saes].flatMap(([hook, { rows }]) => {
    const known = rows.filter((row) => isDistrusted(row) !== undefined);
    const found = known.filter(isDistrusted).sort((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
    if (found.length === 0) return [];
    const named = found.slice(0, MOST_NAMED).map(({ feature, position, attribution, secondOrder }) =>
      `${feature} at ${position} (${attribution.toPrecision(3)}, then ${secondOrder!.toPrecision(3)})`
    );
    const left = found.length - named.length;
    return [
      `Of the ${known.length} rows at ${hook} whose curvature is known, ${found.length} are not to be trusted: the ` +
      `second-order estimate has another sign, or is more than twice or less than half as large: features ${
        named.join(", ")
      }${left === 0 ? "" : ` and ${left} more`}; \`refine\` makes rows exact`,
    ];
  });
}

/** A line if features are active at special tokens, whose activations are unlike all others. */
function specialTokenWarnings(
  model: Model,
  { tokens, state }: AttributionGrads,
  saes: ReadonlyMap<string, SaeAttribution>,
): string[] {
  if (!model.architecture.defaultPrependBos || state.request.prompts[0].length < 2) return [];
  const lines: string[] = [];
  for (const [hook, { run }] of saes) {
    if (run.sae.config.excludeSpecialTokens !== undefined || run.excluded.has(0)) continue;
    const { l0 } = measureFit(run);
    const others = l0.slice(1).reduce((a, b) => a + b, 0) / (tokens.length - 1);
    if (l0[0] > 2 * others && others > 0) {
      lines.push(
        `At position 0 ${l0[0]} features of the SAE at ${hook} are active, at the others ${
          others.toFixed(0)
        } on average: ` +
          "if it was trained without BOS, leave special tokens out (`excludeSpecialTokens: true`)",
      );
    }
  }
  return lines;
}

/**
 * When an SAE fits badly and does not say which form of the model it was trained on, the other form is tried, and named
 * if it fits better.
 */
async function tryOtherProcessing(
  model: Model,
  { tokens, processing, rows }: AttributionGrads,
  saes: ReadonlyMap<string, SaeAttribution>,
): Promise<string[]> {
  if (![...saes.values()].some(({ fit }) => fit.isPoor)) return [];
  const { defaultProcessing } = model.architecture;
  const other: Processing = showProcessing(processing) === showProcessing(NO_PROCESSING)
    ? defaultProcessing
    : NO_PROCESSING;
  const { saeRuns } = await runWithSaes(model, {
    tokens,
    saes: [...saes.values()].map(({ run }) => run.sae),
    processing: other,
    includeErrorTerm: true,
    trackModelHooks: [],
    withGradients: false,
    rows,
  });
  return [...saeRuns].flatMap(([hook, run]) => {
    const [now, then] = [explained(saes.get(hook)!.fit), explained(measureFit(run))];
    if (!(then > now + BETTER_FIT)) return [];
    const choice = other === NO_PROCESSING ? "none" : "default";
    return [
      `With ${showProcessing(other)} (\`processing: "${choice}"\`) the SAE at ${hook} explains ${percent(then)}, not ${
        percent(now)
      }`,
    ];
  });
}
