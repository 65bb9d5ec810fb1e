import { quote } from "../../quote.ts";
import { hasAll, need, type SaeFiles } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberIn, RAW, type Settings, textIn } from "./settings.ts";
import { same, transposed, viewStore } from "../../weights/tensors/view.ts";

type Config = Readonly<Record<string, unknown>> | undefined;

/** Gemma Scope 2: `params.safetensors` and a `config.json` that names Hugging Face's modules; Gemma 3. */
export const gemmaScope2: SaeFormat = {
  name: "Gemma Scope 2",
  async open(files, options) {
    const file = await files.weights("params.safetensors", /\.safetensors$/);
    if (file === undefined) return undefined;
    const tensors = await files.tensors(file);
    if (!hasAll(tensors, ["w_enc", "w_dec", "threshold"])) return undefined;
    const [wEnc, wDec] = [need(tensors, "w_enc", 2), need(tensors, "w_dec", 2)];
    const skip = tensors.has("affine_skip_connection") ? need(tensors, "affine_skip_connection", 2) : undefined;
    const json = await files.json("config.json");
    const architecture = textIn(json, "architecture") ?? "jump_relu";
    if (architecture !== "jump_relu") {
      throw new RangeError(`config.json: architecture ${quote(architecture)} is not supported, jump_relu is`);
    }
    const [dIn, dSae] = wEnc.shape;
    const where = whereabouts(files, json, options.hookIn !== undefined || skip !== undefined || dIn !== wDec.shape[1]);
    const settings: Settings = {
      architecture: where.hookOut === undefined
        ? "jumprelu"
        : skip
        ? "jumprelu_skip_transcoder"
        : "jumprelu_transcoder",
      dIn,
      dSae,
      contextSize: 1024,
      modelFromPretrainedKwargs: RAW,
      ...where,
      hookOut: where.hookOut || undefined,
      dOut: where.hookOut === undefined ? undefined : wDec.shape[1],
      modelName: modelName(files, json),
    };
    const store = viewStore(files.source, {
      W_enc: same(wEnc),
      W_dec: same(wDec),
      b_enc: same(need(tensors, "b_enc", 1)),
      b_dec: same(need(tensors, "b_dec", 1)),
      threshold: same(need(tensors, "threshold", 1)),
      ...(skip ? { W_skip: transposed(skip) } : {}),
    });
    return { config: makeConfig(settings, files, options), store };
  },
};

/** TransformerLens's hook for a module's input or output, by how its name ends. */
const SITES: readonly (readonly [ending: RegExp, hook: string])[] = [
  [/layers\.\d+\.output$/, "hook_resid_post"],
  [/self_attn\.o_proj\.input$/, "attn.hook_z"],
  [/post_feedforward_layernorm\.output$/, "hook_mlp_out"],
  [/pre_feedforward_layernorm\.output$/, "mlp.hook_in"],
];
/** The same by the word in a directory's name, where there is no config. */
const WORDS: readonly (readonly [word: RegExp, hook: string])[] = [
  [/transcoder/, "mlp.hook_in"],
  [/resid_post/, "hook_resid_post"],
  [/attn_out/, "attn.hook_z"],
  [/mlp_out/, "hook_mlp_out"],
];

/** Where it reads and writes; `hookOut` is "" for a transcoder whose layer is not known. */
function whereabouts(
  { names }: SaeFiles,
  json: Config,
  isTranscoder: boolean,
): Pick<Settings, "hook" | "hookOut"> {
  const point = textIn(json, "hf_hook_point_in");
  const layer = numberIn(point ?? "", /layers\.(\d+)\./) ?? numberIn(names, /layer_(\d+)/);
  const site = point === undefined
    ? WORDS.find(([word]) => word.test(names))?.[1]
    : SITES.find(([ending]) => ending.test(point))?.[1];
  const hook = site && hookOf(layer, site);
  if (!isTranscoder && site !== "mlp.hook_in") return { hook };
  return { hook, hookOut: hookOf(layer, "hook_mlp_out") ?? "" };
}

/** The config's name of the model, else that of the release: `google/gemma-scope-2-1b-pt`. */
function modelName({ names }: SaeFiles, json: Config): string | undefined {
  const release = /gemma-scope-2-([^/]+)/.exec(names)?.[1];
  const name = textIn(json, "model_name")?.replace("-v3", "-3") ?? (release && `gemma-3-${release}`);
  if (!name) return undefined;
  const full = name.includes("google") ? name : `google/${name}`;
  return full.includes("270m") ? full.replace("-pt", "") : full; // its repository has no such ending
}
