import { quote } from "../../quote.ts";
import { hasAll, need, readCount, type SaeFiles, type StoredTensors } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberIn, type Settings } from "./settings.ts";
import { same, transposed, viewStore } from "../../weights/tensors/view.ts";

/** Names of a JumpReLU's threshold. */
const THRESHOLDS = ["threshold", "activation_function.threshold"];

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
    const skip = tensors.has("W_skip") ? need(tensors, "W_skip", 2) : undefined;
    const yaml = await files.yaml("config.yaml") ?? {};
    const k = await readK(files, tensors, yaml, options.k);
    // With another activation function a threshold is left over, and an error.
    const thresholds = yaml.activation === "relu" || k !== undefined ? [] : THRESHOLDS;
    const name = thresholds.find((candidate) => tensors.has(candidate));
    const threshold = name === undefined ? undefined : need(tensors, name, 1);
    const layer = numberIn(file, /(\d+)\.safetensors$/);
    const settings: Settings = {
      architecture: `${threshold ? "jumprelu_" : k === undefined ? "" : "topk_"}${skip ? "skip_" : ""}transcoder`,
      dIn,
      dSae,
      dOut: bDec.shape[0],
      k,
      hook: hookOf(layer, yaml.feature_input_hook ?? "mlp.hook_in"),
      hookOut: hookOf(layer, yaml.feature_output_hook ?? "hook_mlp_out"),
      modelName: yaml.model_name,
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

/**
 * How many features a top-k transcoder keeps; undefined for those with another activation function. The set's
 * `config.yaml` says which it is, and circuit-tracer also saves k as a tensor.
 */
async function readK(
  { location }: SaeFiles,
  tensors: StoredTensors,
  { activation, k }: Readonly<Record<string, string | undefined>>,
  given: number | undefined,
): Promise<number | undefined> {
  const isTopK = activation === "topk" || (activation === undefined && tensors.has("k"));
  const known = ["relu", "jumprelu", "jump_relu", "topk", undefined];
  if (!known.includes(activation)) {
    throw new RangeError(
      `${location}: config.yaml's activation ${quote(activation)} is not supported, relu, jumprelu and topk are`,
    );
  }
  if (!isTopK) return undefined;
  const stored = tensors.get("k");
  const counts = [...(stored ? [await readCount(stored)] : []), ...(k === undefined ? [] : [Number(k)])];
  if (counts.length === 2 && counts[0] !== counts[1]) {
    throw new RangeError(`${location}: it keeps ${counts[0]} features, and config.yaml says ${quote(k)}`);
  }
  const count = given ?? counts[0];
  if (count === undefined) {
    throw new RangeError(
      `${location} is a top-k transcoder that does not say how many features it keeps: give k to loadSae`,
    );
  }
  return count;
}
