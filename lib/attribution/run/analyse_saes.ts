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
import { findMethod } from "../methods/mod.ts";
import { analyseSae, entriesOf, type SaeAttribution, type SaeGradients } from "../result/sae_attribution.ts";
import type { RunParts } from "../change/rerun.ts";

/** By the hook that an SAE writes, its attributions. */
export async function analyseSaes(
  parts: RunParts,
  compared: BaselineRun | undefined,
  { method = "gradient", integration }: AttributionOptions,
): Promise<Map<string, SaeAttribution>> {
  const { grads, includeErrorTerm } = parts;
  const saes = new Map<string, SaeAttribution>();
  for (const [hook, run] of grads.saeRuns) {
    const baseline = compared?.saes.get(hook);
    const integrated = findMethod(method).integrate
      ? await integrateAlong(parts, run, baseline, integration)
      : undefined;
    saes.set(hook, await analyseSae(run, { ...gradientsAt(run, grads), baseline, ...integrated }, includeErrorTerm));
  }
  return saes;
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
