import { hasAll, need } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberIn, type Settings } from "./settings.ts";
import { same, transposed, viewStore } from "./view.ts";
import { scalarIn } from "./yaml.ts";

/**
 * Transcoders for circuit-tracer (Hanna et al.; mwhanna, mntss): `layer_0.safetensors`, … one file for each layer, and a
 * `config.yaml` that names the model and, sometimes, the hooks. W_enc is [features, d].
 */
export const circuitTracer: SaeFormat = {
  name: "circuit-tracer transcoder",
  async open(files, options) {
    const file = await files.weights(undefined, /\.safetensors$/);
    if (file === undefined || file === "sae_weights.safetensors") return undefined;
    const tensors = await files.tensors(file);
    if (!hasAll(tensors, ["W_enc", "W_dec", "b_enc", "b_dec"])) return undefined;
    const [dSae, dIn] = need(tensors, "W_enc", 2).shape;
    const [bEnc, bDec] = [need(tensors, "b_enc", 1), need(tensors, "b_dec", 1)];
    if (bEnc.shape[0] !== dSae) return undefined;
    const threshold = tensors.get("threshold") ?? tensors.get("activation_function.threshold");
    const skip = tensors.has("W_skip") ? need(tensors, "W_skip", 2) : undefined;
    const yaml = await files.text("config.yaml") ?? "";
    const layer = numberIn(file, /(\d+)\.safetensors$/);
    const settings: Settings = {
      architecture: `${threshold ? "jumprelu_" : ""}${skip ? "skip_" : ""}transcoder`,
      dIn,
      dSae,
      dOut: bDec.shape[0],
      hook: hookOf(layer, scalarIn(yaml, "feature_input_hook") ?? "mlp.hook_in"),
      hookOut: hookOf(layer, scalarIn(yaml, "feature_output_hook") ?? "hook_mlp_out"),
      modelName: scalarIn(yaml, "model_name"),
      modelFromPretrainedKwargs: { fold_ln: false },
    };
    const store = viewStore(files.source, {
      W_enc: transposed(need(tensors, "W_enc", 2)),
      W_dec: same(need(tensors, "W_dec", 2)),
      b_enc: same(bEnc),
      b_dec: same(bDec),
      ...(threshold ? { threshold: same(threshold) } : {}),
      ...(skip ? { W_skip: same(skip) } : {}),
    });
    return { config: makeConfig(settings, files, options), store };
  },
};
