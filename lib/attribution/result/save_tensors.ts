/**
 * A run's tensors for Python: `safetensors.torch.load_file` reads them.
 *
 * @module
 */
import { safetensorsChunks, type WritableTensor } from "../../weights/formats/write_safetensors.ts";
import type { Attribution } from "./result.ts";
import type { AttributionRow } from "./sae_attribution.ts";

/**
 * A run as a safetensors file. By SAE hook: the active features in coordinate form (`position`, `feature`,
 * `activation`, `gradient`, `attribution`, each `[active]`), and `sae_in`, `sae_out`, `sae_error`, `grad_sae_out`,
 * `[position, d]`; with a baseline also `baseline` `[active]`, the features' activations there, `sae_in_baseline` and
 * `sae_error_baseline`; where it was asked for `direct_effect` `[active]`; by `tracked/` and tracked hook `activation`,
 * `grad`, `attribution`. Method and baseline stand in the file's metadata.
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { attributionTensors } from "./save_tensors.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const file = new Blob([...attributionTensors(result)] as BlobPart[]);
 * console.assert(file.size > 1000);
 * ```
 */
export function attributionTensors(result: Attribution): Iterable<Uint8Array> {
  const tensors: Record<string, WritableTensor> = {
    tokens: integers(result.tokens.map(({ id }) => id)),
  };
  for (const [hook, sae] of result.parts.saes) {
    const { run, baseline, gradient, entries, featureGradients, directEffect } = sae;
    const said = new Map(sae.rows.map((row) => [`${row.position} ${row.feature}`, row]));
    const { rows, offsets, features, values, minuend, subtrahend } = entries;
    const positions: number[] = [];
    for (let r = 0; r < rows; r++) for (let i = offsets[r]; i < offsets[r + 1]; i++) positions.push(r);
    const matrix = (data: Float32Array): WritableTensor => ({ dims: [rows, data.length / rows], data });
    const row = (feature: number, i: number): AttributionRow | undefined => said.get(`${positions[i]} ${feature}`);
    const vector = (data: Float32Array): WritableTensor => ({ dims: [data.length], data });
    Object.assign(tensors, {
      [`${hook}/position`]: integers(positions),
      [`${hook}/feature`]: integers([...features]),
      [`${hook}/activation`]: vector(minuend),
      [`${hook}/gradient`]: vector(featureGradients),
      [`${hook}/attribution`]: vector(Float32Array.from(features, (f, i) => row(f, i)?.attribution ?? 0)),
      [`${hook}/sae_in`]: matrix(run.saeIn),
      [`${hook}/sae_out`]: matrix(run.saeOut),
      [`${hook}/sae_error`]: matrix(run.saeIn.map((x, i) => x - run.saeOut[i])),
      [`${hook}/grad_sae_out`]: matrix(gradient),
    });
    if (sae.rows.some(({ exact }) => exact === true)) {
      tensors[`${hook}/exact`] = integers([...features].map((f, i) => row(f, i)?.exact === true ? 1 : 0));
    }
    if (baseline) {
      Object.assign(tensors, {
        [`${hook}/baseline`]: vector(subtrahend),
        [`${hook}/sae_in_baseline`]: matrix(baseline.saeIn),
        [`${hook}/sae_error_baseline`]: matrix(baseline.error),
      });
    }
    if (directEffect) {
      tensors[`${hook}/direct_effect`] = vector(values.map((value, i) => value * directEffect.featureGradients[i]));
    }
  }
  for (const hook of Object.keys(result.modelActivations)) {
    tensors[`tracked/${hook}/activation`] = result.modelActivations[hook];
    tensors[`tracked/${hook}/grad`] = result.modelGrads[hook];
    tensors[`tracked/${hook}/attribution`] = result.modelAttributions[hook];
  }
  const { metricName, grads, method, baseline } = result.parts;
  return safetensorsChunks(tensors, {
    method,
    baseline: baseline?.name ?? "zero",
    metric: metricName,
    formula: grads.resolvedMetric.formula,
    value: String(result.metric),
  });
}

function integers(values: readonly number[]): WritableTensor {
  return { dims: [values.length], data: BigInt64Array.from(values, BigInt) };
}
