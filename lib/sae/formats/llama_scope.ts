import { quote } from "../../quote.ts";
import { isRecord } from "../../weights/json/json.ts";
import { hasAll, need, type StoredTensors } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { makeConfig, numberOf, RAW, type Settings, textIn } from "./settings.ts";
import { filled, same, transposed, type View, viewStore } from "../../weights/tensors/view.ts";

type Config = Readonly<Record<string, unknown>>;

const MODEL = "meta-llama/Llama-3.1-8B";
const LINEAR = ["encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"];

/**
 * Llama Scope (He et al. 2024): `hyperparams.json` and `checkpoints/final.safetensors`. Inputs are scaled to a norm of
 * √d on average; the one threshold of all features is in units of activations before that.
 */
export const llamaScope: SaeFormat = {
  name: "Llama Scope",
  async open(files, options) {
    const json = await files.json("hyperparams.json");
    const file = json && await files.weights("checkpoints/final.safetensors", /\.safetensors$/);
    if (!json || file === undefined) return undefined;
    const tensors = await files.tensors(file);
    if (!hasAll(tensors, LINEAR)) return undefined;
    const norms = json.dataset_average_activation_norm;
    const norm = isRecord(norms) ? numberOf(norms, "in") : undefined;
    const threshold = numberOf(json, "jump_relu_threshold");
    if (norm === undefined || threshold === undefined) {
      throw new TypeError('hyperparams.json lacks "dataset_average_activation_norm" or "jump_relu_threshold"');
    }
    const settings = common(json, tensors, "hyperparams.json");
    const factor = Math.sqrt(settings.dIn) / norm;
    const config = makeConfig({ ...settings, normScalingFactor: factor }, files, options);
    const store = viewStore(files.source, {
      ...linear(tensors),
      threshold: filled(threshold * factor, settings.dSae, file),
    });
    return { config, store };
  },
};

/**
 * Later SAEs of the same group (Llama Scope R1 Distill): `config.json` and `sae_weights.safetensors`, with a threshold
 * for each feature and the average norm among the tensors.
 */
export const llamaScopeR1: SaeFormat = {
  name: "Llama Scope R1 Distill",
  harmless: /^dataset_average_activation_norm\./, // of other hooks
  async open(files, options) {
    const file = await files.weights("sae_weights.safetensors", /\.safetensors$/);
    const json = file === undefined ? undefined : await files.json("config.json");
    if (file === undefined || !json) return undefined;
    const tensors = await files.tensors(file);
    if (!hasAll(tensors, [...LINEAR, "log_jumprelu_threshold"])) return undefined;
    const settings = common(json, tensors, "config.json");
    const threshold = need(tensors, "log_jumprelu_threshold", 1);
    const norm = tensors.get(`dataset_average_activation_norm.${settings.hook}`);
    const store = viewStore(files.source, { ...linear(tensors), threshold: same(threshold, Math.exp) });
    const [average] = norm ? await viewStore(files.source, { norm: same(norm) }).read("norm") : [];
    const normScalingFactor = average === undefined ? undefined : Math.sqrt(settings.dIn) / average;
    return { config: makeConfig({ ...settings, normScalingFactor }, files, options), store };
  },
};

function linear(tensors: StoredTensors): Record<string, View> {
  return {
    W_enc: transposed(need(tensors, "encoder.weight", 2)),
    W_dec: transposed(need(tensors, "decoder.weight", 2)),
    b_enc: same(need(tensors, "encoder.bias", 1)),
    b_dec: same(need(tensors, "decoder.bias", 1)),
  };
}

function common(json: Config, tensors: StoredTensors, file: string): Settings {
  const [dSae, dIn] = need(tensors, "encoder.weight", 2).shape;
  const [hook, hookOut] = [textIn(json, "hook_point_in"), textIn(json, "hook_point_out")];
  if (hook !== undefined && hookOut !== undefined && hookOut !== hook) {
    throw new RangeError(
      `${file}: it reads ${quote(hook)} and writes ${quote(hookOut)}: such transcoders are not supported`,
    );
  }
  for (const key of ["apply_decoder_bias_to_pre_encoder", "use_glu_encoder"]) {
    if (json[key] === true) throw new RangeError(`${file}: "${key}" is true, which is not supported`);
  }
  return {
    architecture: "jumprelu",
    dIn,
    dSae,
    hook,
    normalizeActivations: "expected_average_only_in",
    modelName: MODEL,
    modelFromPretrainedKwargs: RAW,
    contextSize: 1024,
  };
}
