/**
 * From a run's gradients to every SAE's attributions, by the method.
 *
 * @module
 */
import { joinHooks, type SaeRun, selectHead } from "./sae_hooks.ts";
import type { AttributionOptions } from "./attribution_options.ts";
import type { AttributionGrads } from "./attribution_grads.ts";
import type { BaselineRun, SaeBaseline } from "./baseline.ts";
import type { IntegratedGradient, IntegrationOptions } from "../methods/integrated_gradients.ts";
import type { ExactOptions } from "../methods/ablation.ts";
import { findMethod, type Method } from "../methods/mod.ts";
import {
  analyseSae,
  entriesOf,
  type SaeAttribution,
  type SaeGradients,
  type SaeToAnalyse,
} from "../result/sae_attribution.ts";
import type { RunParts } from "../change/rerun.ts";

/** A run, and what it is compared with. */
export interface ToAnalyse {
  readonly parts: RunParts;
  readonly compared?: BaselineRun;
}

/** For each of several runs with the same SAEs, by the hook that an SAE writes, its attributions. */
export async function analyseSaes(
  runs: readonly ToAnalyse[],
  { method: name = "gradient", integration, exact, onProgress }: AttributionOptions,
): Promise<Map<string, SaeAttribution>[]> {
  const method = findMethod(name);
  const [{ parts: { grads: { saeRuns }, includeErrorTerm } }] = runs;
  const found = runs.map(() => new Map<string, SaeAttribution>());
  for (const hook of saeRuns.keys()) {
    const ofSae: SaeToAnalyse[] = [];
    for (const { parts, compared } of runs) {
      const run = parts.grads.saeRuns.get(hook)!;
      const baseline = compared?.saes.get(hook);
      const integrated = method.integrate ? await integrateAlong(parts, run, baseline, integration) : undefined;
      ofSae.push({ run, gradients: { ...gradientsAt(run, parts.grads), baseline, ...integrated } });
    }
    (await analyseSae(ofSae, includeErrorTerm)).forEach((one, i) => found[i].set(hook, one));
  }
  if (!goesOn(method, exact)) return found;
  const { withExactRows } = await import(
    new URL("../methods/exact_rows.ts", import.meta.url).href
  ) as typeof import("../methods/exact_rows.ts");
  const exactly: Map<string, SaeAttribution>[] = [];
  for (const [i, { parts }] of runs.entries()) {
    exactly.push(await withExactRows(parts, found[i], { ...exact, method, onProgress }));
  }
  return exactly;
}

/** Whether something goes on from the middle of the pass, which is then over one prompt. */
export function goesOn(method: Method, { refine = 0, curvature = 0 }: ExactOptions = {}): boolean {
  return method.exact === true || refine > 0 || curvature > 0;
}

/** The mean of the gradients on the way from the baseline. */
async function integrateAlong(
  parts: RunParts,
  run: SaeRun,
  baseline: SaeBaseline | undefined,
  options: IntegrationOptions | undefined,
): Promise<IntegratedGradient> {
  const { changesOf } = await import(
    new URL("./contributions.ts", import.meta.url).href
  ) as typeof import("./contributions.ts");
  const { integrate } = await import(
    new URL("../methods/path_integral.ts", import.meta.url).href
  ) as typeof import("../methods/path_integral.ts");
  return await integrate(parts, run, changesOf(entriesOf(run, baseline)), options);
}

/** The gradients at the hooks that an SAE's features write. */
function gradientsAt({ sae }: SaeRun, { gradients, directGradient }: AttributionGrads): SaeGradients {
  const everywhere = (written: readonly Float32Array[]): Float32Array => joinHooks(written, sae.config.dOut);
  const direct = directGradient?.data as Float32Array | undefined;
  return {
    gradient: selectHead(sae, gradients.get(sae.hookOut)!),
    writtenGradient: everywhere(sae.hooksOut.map((hook) => selectHead(sae, gradients.get(hook)!))),
    directGradient: direct,
    writtenDirectGradient: direct && everywhere(sae.hooksOut.map(() => direct)), // one stream
  };
}
