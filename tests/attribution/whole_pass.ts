/**
 * Exact ablation a second way: from the prompt, one feature and one pass at a time, the hook's value decoded anew without
 * the feature. Shares with the batched way the blocks' graphs and the SAE's encoder and decoder only.
 */
import { type SaeRun, seenBy, withSeen } from "../../lib/attribution/run/apply.ts";
import type { FeatureAt } from "../../lib/attribution/run/contributions.ts";
import { metricValue } from "../../lib/attribution/metric/value.ts";
import type { DownstreamError } from "../../lib/attribution/change/downstream_error.ts";
import type { Replacement } from "../../lib/model/stages/chain.ts";
import type { Attribution, Encoded } from "../../mod.ts";

/** metric − metric(without the features at one hook). */
export async function effectFromPrompt(
  result: Attribution,
  hook: string,
  features: readonly FeatureAt[],
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

function without({ sae, encoded, saeIn, saeOut }: SaeRun, gone: readonly FeatureAt[], withError: boolean): Replacement {
  return {
    hook: sae.hookOut,
    async replace(values) {
      const decoded = await sae.decode(zeroed(encoded, gone));
      return withSeen(sae, values.get(sae.hookOut)!, decoded.map((x, i) => x + (withError ? saeIn[i] - saeOut[i] : 0)));
    },
  };
}

function zeroed(encoded: Encoded, gone: readonly FeatureAt[]): Encoded {
  const { offsets, features, values } = encoded.activations;
  const kept = values.slice();
  for (const { position, feature } of gone) {
    for (let i = offsets[position]; i < offsets[position + 1]; i++) if (features[i] === feature) kept[i] = 0;
  }
  return { ...encoded, activations: { ...encoded.activations, values: kept } };
}

/** Another SAE on what comes in; with the error term, its error is that of the run. */
function again({ parts: { model } }: Attribution, run: SaeRun, withError: boolean): Replacement {
  const { sae, saeIn, saeOut, excluded } = run;
  return {
    hook: sae.hookOut,
    reads: [sae.hookIn],
    async replace(values) {
      const whole = values.get(sae.hookOut)!;
      const now = seenBy(sae, whole);
      const decoded = await sae.decode(await sae.encode(model.runtime, seenBy(sae, values.get(sae.hookIn)!)));
      const d = sae.config.dOut;
      const value = decoded.map((x, i) =>
        excluded.has(Math.floor(i / d)) ? now[i] : x + (withError ? saeIn[i] - saeOut[i] : 0)
      );
      return withSeen(sae, whole, value);
    },
  };
}
