/**
 * Exact ablation a second way: from the prompt, one feature and one pass at a time, the hook's value decoded anew without
 * the feature. Shares with the batched way the blocks' graphs and the SAE's encoder and decoder only.
 */
import { replaceHead, type SaeRun, selectHead } from "../../lib/attribution/run/sae_hooks.ts";
import type { AblatedFeature } from "../../lib/attribution/change/ablation.ts";
import { metricValue } from "../../lib/attribution/metric/value.ts";
import type { DownstreamError } from "../../lib/attribution/change/downstream_error.ts";
import type { Replacement } from "../../lib/model/stages/chain.ts";
import type { Attribution, Encoded } from "../../mod.ts";

/** metric − metric(without the features at one hook, or with them as in their baselines). */
export async function effectFromPrompt(
  result: Attribution,
  hook: string,
  features: readonly AblatedFeature[],
  downstream: DownstreamError = "recomputed",
): Promise<number> {
  const { model, grads, includeErrorTerm } = result.parts;
  const replacements = [...grads.saeRuns].flatMap(([name, run]): Replacement[] => {
    if (name === hook) return [without(run, features, includeErrorTerm)];
    if (includeErrorTerm && downstream === "recomputed") return [];
    return [again(result, run, includeErrorTerm)];
  });
  const { tokens, processing, rows, resolvedMetric } = grads;
  const { final } = await model.chain.forward({ prompts: [tokens], processing, rows: [rows], replacements });
  return result.metric - await metricValue(model, resolvedMetric, final);
}

function without(
  { sae, encoded, saeIn, saeOut }: SaeRun,
  gone: readonly AblatedFeature[],
  withError: boolean,
): Replacement {
  return {
    hook: sae.hookOut,
    async replace(values) {
      const decoded = await sae.decode(changed(encoded, gone));
      return replaceHead(
        sae,
        values.get(sae.hookOut)!,
        decoded.map((x, i) => x + (withError ? saeIn[i] - saeOut[i] : 0)),
      );
    },
  };
}

/** The activations with some set to 0, or to their baselines. */
function changed(encoded: Encoded, features: readonly AblatedFeature[]): Encoded {
  const { rows, offsets, features: active, values } = encoded.activations;
  const byRow = Array.from({ length: rows }, (_, row) => {
    const entries = new Map<number, number>();
    for (let i = offsets[row]; i < offsets[row + 1]; i++) entries.set(active[i], values[i]);
    for (const { position, feature, baseline = 0 } of features) if (position === row) entries.set(feature, baseline);
    return [...entries].sort(([a], [b]) => a - b);
  });
  const all = byRow.flat();
  const starts = new Uint32Array(rows + 1);
  byRow.forEach((row, r) => starts[r + 1] = starts[r] + row.length);
  const activations = {
    rows,
    offsets: starts,
    features: Uint32Array.from(all, ([feature]) => feature),
    values: Float32Array.from(all, ([, value]) => value),
  };
  return { ...encoded, activations };
}

/** Another SAE on what comes in; with the error term, its error is that of the run. */
function again({ parts: { model } }: Attribution, run: SaeRun, withError: boolean): Replacement {
  const { sae, saeIn, saeOut, excluded } = run;
  return {
    hook: sae.hookOut,
    reads: [sae.hookIn],
    async replace(values) {
      const whole = values.get(sae.hookOut)!;
      const now = selectHead(sae, whole);
      const decoded = await sae.decode(await sae.encode(model.runtime, selectHead(sae, values.get(sae.hookIn)!)));
      const d = sae.config.dOut;
      const value = decoded.map((x, i) =>
        excluded.has(Math.floor(i / d)) ? now[i] : x + (withError ? saeIn[i] - saeOut[i] : 0)
      );
      return replaceHead(sae, whole, value);
    },
  };
}
