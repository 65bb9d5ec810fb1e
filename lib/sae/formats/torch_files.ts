/**
 * Single files written by `torch.save`, each group with its own names of tensors.
 *
 * @module
 */
import { hasAll, need, type SaeFiles, type StoredTensors } from "./files.ts";
import type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberIn, PROCESSED, RAW, textIn } from "./settings.ts";
import { same, transposed, type View, viewStore } from "../../weights/tensors/view.ts";

const LENS = ["W_enc", "W_dec", "b_enc", "b_dec"];

/** Qwen Scope: `layer0.sae.pt`, top-k; k is in the release's name (`SAE-Res-Qwen3-1.7B-Base-W32K-L0_50`). */
export const qwenScope: SaeFormat = {
  name: "Qwen Scope",
  async open(files, options) {
    const found = await torchTensors(files, LENS);
    if (!found) return undefined;
    const [dSae, dIn] = need(found, "W_enc", 2).shape;
    if (need(found, "b_enc", 1).shape[0] !== dSae || need(found, "b_dec", 1).shape[0] !== dIn) return undefined;
    if (dSae === dIn && !/layer\d+\.sae\.pt$/.test(files.names)) return undefined;
    const k = options.k ?? numberIn(files.names, /L0_(\d+)/);
    if (k === undefined) {
      throw new RangeError(
        `${files.location} does not say how many features its SAE keeps: give k to loadSae, ` +
          "or keep the release's name (…-L0_50) in the path",
      );
    }
    const model = /SAE-Res-(.+?)-W\d+K/.exec(files.names)?.[1];
    const settings = {
      architecture: "topk",
      dIn,
      dSae,
      k,
      hook: hookOf(numberIn(files.named ?? "", /layer(\d+)\.sae/), "hook_resid_post"),
      modelName: model && `Qwen/${model}`,
      modelFromPretrainedKwargs: RAW,
      contextSize: 1024,
    };
    const views = {
      W_enc: transposed(need(found, "W_enc", 2)),
      W_dec: transposed(need(found, "W_dec", 2)),
      b_enc: same(need(found, "b_enc", 1)),
      b_dec: same(need(found, "b_dec", 1)),
    };
    return { config: makeConfig(settings, files, options), store: viewStore(files.source, views) };
  },
};

/** Connor Kissane's and Rob Krzyzanowski's SAEs of attention outputs: `NAME.pt` and `NAME_cfg.json`. */
export const hookZ: SaeFormat = {
  name: "hook_z (Kissane, Krzyzanowski)",
  async open(files, options) {
    const found = await torchTensors(files, LENS);
    const json = found && await files.json(files.named!.replace(/\.pth?$/i, "_cfg.json"));
    if (!found || !json) return undefined;
    const [dIn, dSae] = need(found, "W_enc", 2).shape;
    const settings = {
      architecture: "standard",
      dIn,
      dSae,
      applyBDecToInput: true,
      hook: textIn(json, "act_name"),
      modelName: "gpt2-small",
      modelFromPretrainedKwargs: PROCESSED,
      contextSize: 128,
    };
    const views = Object.fromEntries(LENS.map((name) => [name, same(need(found, name, name.startsWith("W") ? 2 : 1))]));
    return { config: makeConfig(settings, files, options), store: viewStore(files.source, views) };
  },
};

/** Goodfire: `Llama-3.1-8B-Instruct-SAE-l19.pth`. */
export const goodfire: SaeFormat = {
  name: "Goodfire",
  async open(files, options) {
    const found = await torchTensors(files, names("encoder_linear", "decoder_linear"));
    const model = /([^/]+)-SAE-l\d+\.pth?$/i.exec(files.names)?.[1];
    return found && openLinear(files, options, linear(found, "encoder_linear", "decoder_linear"), {
      modelName: model && `meta-llama/${model}`,
    });
  },
};

/** DeepSeek-R1-Distill (qresearch): `DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt`. */
export const deepseekR1: SaeFormat = {
  name: "DeepSeek-R1",
  async open(files, options) {
    const found = await torchTensors(files, names("encoder", "decoder"));
    const model = /([^/]+)-SAE-l\d+\.pth?$/i.exec(files.names)?.[1];
    return found && openLinear(files, options, linear(found, "encoder", "decoder"), {
      modelName: model && `deepseek-ai/${model}`,
      contextSize: 1024,
    });
  },
};

/** The named file's tensors, if it is a torch file with all these. */
async function torchTensors(files: SaeFiles, wanted: readonly string[]): Promise<StoredTensors | undefined> {
  const file = await files.weights(undefined, /\.pth?$/i);
  const tensors = file === undefined ? undefined : await files.tensors(file);
  return tensors && hasAll(tensors, wanted) ? tensors : undefined;
}

function names(encoder: string, decoder: string): string[] {
  return [encoder, decoder].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]);
}

/** A pair of torch's linear layers, whose weights are [out, in]. */
function linear(tensors: StoredTensors, encoder: string, decoder: string): Record<string, View> {
  return {
    W_enc: transposed(need(tensors, `${encoder}.weight`, 2)),
    W_dec: transposed(need(tensors, `${decoder}.weight`, 2)),
    b_enc: same(need(tensors, `${encoder}.bias`, 1)),
    b_dec: same(need(tensors, `${decoder}.bias`, 1)),
  };
}

/** A standard SAE after a block; the layer is in the file's name. */
function openLinear(
  files: SaeFiles,
  options: LoadSaeOptions,
  views: Record<string, View>,
  known: { readonly modelName?: string; readonly contextSize?: number },
): FoundSae {
  const [dIn, dSae] = views.W_enc.shape;
  const hook = hookOf(numberIn(files.named ?? "", /(?:^|[^a-z])l(\d+)/i), "hook_resid_post");
  const config = makeConfig(
    { architecture: "standard", modelFromPretrainedKwargs: RAW, dIn, dSae, hook, ...known },
    files,
    options,
  );
  return { config, store: viewStore(files.source, views) };
}
