import { quote } from "../../quote.ts";
import { isRecord } from "../../weights/json/json.ts";
import { hasAll, need, readCount, type SaeFiles, type StoredTensors } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberOf, RAW, type Settings, textIn } from "./settings.ts";
import type { Stored } from "../../weights/tensors/stored.ts";
import { filled, same, transposed, type View, viewStore } from "../../weights/tensors/view.ts";

type Config = Readonly<Record<string, unknown>>;

/** Its classes, as `config.json` names them, with what they are to SAELens. */
const CLASSES: Readonly<Record<string, readonly [architecture: string, applyBDecToInput: boolean]>> = {
  AutoEncoder: ["standard", true],
  AutoEncoderNew: ["standard", false],
  AutoEncoderTopK: ["topk", true],
  BatchTopKSAE: ["jumprelu", true],
  MatryoshkaBatchTopKSAE: ["jumprelu", true],
  GatedAutoEncoder: ["gated", true],
  JumpReluAutoEncoder: ["jumprelu", false],
};
/** Hooks by the beginning of `submodule_name` (`resid_post_layer_12`). */
const SITES: readonly (readonly [beginning: RegExp, hook: string])[] = [
  [/^mlp/, "hook_mlp_out"],
  [/^att/, "hook_attn_out"],
  [/^resid_pre/, "hook_resid_pre"],
];

/**
 * dictionary_learning (Marks, Karvonen, Mueller): `ae.pt` and `config.json`. Features are as SAELens has them: the
 * gated and JumpReLU classes' own activations are these times the norm of the decoder row.
 */
export const dictionaryLearning: SaeFormat = {
  name: "dictionary_learning",
  // Other sizes of batch and Matryoshka SAEs, and a threshold that a top-k class has for batches of training.
  harmless: /^(k|threshold|group_sizes|active_groups|num_tokens_since_fired)$/,
  async open(files, options) {
    const file = await files.weights("ae.pt", /\.pth?$/i);
    if (file === undefined) return undefined;
    const { trainer, buffer } = await files.json("config.json") ?? {};
    const tensors = await files.tensors(file);
    const name = isRecord(trainer) ? textIn(trainer, "dict_class") : undefined;
    const dictClass = name ?? classOf(tensors);
    if (dictClass === undefined) return undefined;
    if (!Object.hasOwn(CLASSES, dictClass)) {
      throw new RangeError(
        `config.json: dict_class ${quote(dictClass)} is not supported; supported are ${
          Object.keys(CLASSES).join(", ")
        }`,
      );
    }
    const [architecture, applyBDecToInput] = CLASSES[dictClass];
    const views = readViews(tensors);
    const [dIn, dSae] = views.W_enc.shape;
    const settings: Settings = {
      architecture,
      dIn,
      dSae,
      applyBDecToInput,
      modelFromPretrainedKwargs: RAW,
      ...whereabouts(isRecord(trainer) ? trainer : {}),
      k: architecture === "topk" ? await readK(tensors, trainer) ?? options.k : undefined,
      contextSize: isRecord(buffer) ? numberOf(buffer, "ctx_len") : undefined,
    };
    const config = makeConfig(settings, files, options);
    if (architecture !== "jumprelu") return { config, store: viewStore(files.source, views) };
    const threshold = await readThreshold(files, tensors, dSae);
    return { config, store: viewStore(files.source, { ...views, threshold }) };
  },
};

/** The tensor has the last word, as in dictionary_learning itself. */
async function readK(tensors: StoredTensors, trainer: unknown): Promise<number | undefined> {
  const stored = tensors.get("k");
  return stored ? await readCount(stored) : isRecord(trainer) ? numberOf(trainer, "k") : undefined;
}

/** The class by its tensors, where they are its alone and it needs no setting that only the config has. */
function classOf(tensors: StoredTensors): string | undefined {
  if (tensors.has("gate_bias")) return "GatedAutoEncoder";
  return hasAll(tensors, ["encoder.weight", "encoder.bias", "decoder.weight", "bias"]) ? "AutoEncoder" : undefined;
}

/** Tensors under SAELens's names: classes differ in what they call them. */
function readViews(tensors: StoredTensors): Record<string, View> {
  const first = (names: readonly string[]): Stored => {
    const name = names.find((candidate) => tensors.has(candidate)) ?? names[0];
    return need(tensors, name, 1);
  };
  const views: Record<string, View> = {
    W_enc: tensors.has("W_enc") ? same(need(tensors, "W_enc", 2)) : transposed(need(tensors, "encoder.weight", 2)),
    W_dec: tensors.has("W_dec") ? same(need(tensors, "W_dec", 2)) : transposed(need(tensors, "decoder.weight", 2)),
    b_dec: same(first(["b_dec", "bias", "decoder_bias", "decoder.bias"])),
  };
  const vectors = { b_enc: ["encoder.bias", "b_enc"], b_mag: ["mag_bias"], b_gate: ["gate_bias"], r_mag: ["r_mag"] };
  for (const [name, names] of Object.entries(vectors)) {
    if (names.some((candidate) => tensors.has(candidate))) views[name] = same(first(names));
  }
  return views;
}

/** Batch top-k SAEs have one threshold for all features. */
async function readThreshold(files: SaeFiles, tensors: StoredTensors, dSae: number): Promise<View> {
  const threshold = tensors.get("threshold");
  if (!threshold) throw new TypeError(`The SAE has no tensor "threshold": it was saved before its training had one`);
  if (threshold.shape.length > 0) return same(need(tensors, "threshold", 1));
  const [value] = await viewStore(files.source, { threshold: same(threshold) }).read("threshold");
  return filled(value, dSae, threshold.path);
}

function whereabouts(trainer: Config): Pick<Settings, "hook" | "modelName"> {
  const site = SITES.find(([beginning]) => beginning.test(textIn(trainer, "submodule_name") ?? ""))?.[1];
  const layer = typeof trainer.layer === "number" ? trainer.layer : undefined;
  return { hook: hookOf(layer, site ?? "hook_resid_post"), modelName: textIn(trainer, "lm_name")?.split("/").at(-1) };
}
