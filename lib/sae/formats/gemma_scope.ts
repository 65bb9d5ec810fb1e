import { hasAll, need, type SaeFiles } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberIn, RAW, type Settings } from "./settings.ts";
import { same, viewStore } from "../../weights/tensors/view.ts";

const SIZES = /gemma-scope-(2b|9b|27b)-(pt|it)-/;
/** Sites by the word in the release's name: `google/gemma-scope-2b-pt-res`. */
const SITES: Readonly<Record<string, string>> = {
  res: "hook_resid_post",
  mlp: "hook_mlp_out",
  att: "attn.hook_z",
};

/**
 * Gemma Scope (Lieberum et al. 2024): `params.npz`, JumpReLU SAEs and transcoders of Gemma 2. The file says nothing of
 * where the SAE belongs; the release's directories do (`gemma-scope-2b-pt-res/layer_20/width_16k/…`).
 */
export const gemmaScope: SaeFormat = {
  name: "Gemma Scope",
  async open(files, options) {
    const file = await files.weights("params.npz", /\.npz$/i);
    if (file === undefined) return undefined;
    const tensors = await files.tensors(file);
    if (!hasAll(tensors, ["w_enc", "w_dec", "threshold"])) return undefined;
    const [wEnc, wDec] = [need(tensors, "w_enc", 2), need(tensors, "w_dec", 2)];
    const [dIn, dSae] = wEnc.shape;
    const dOut = wDec.shape[1];
    const where = whereabouts(files, options.hookIn !== undefined || dIn !== dOut);
    const settings = {
      modelFromPretrainedKwargs: RAW,
      dIn,
      dSae,
      contextSize: 1024,
      ...where,
      dOut: where.hookOut === undefined ? undefined : dOut,
    };
    const config = makeConfig({ ...settings, hookOut: where.hookOut || undefined }, files, options);
    // Trained on embeddings before their factor √d_model, which hook_embed has.
    const factor = Math.sqrt(dIn);
    const isScaled = isEmbedding(files) || config.hookOut === "hook_embed";
    const store = viewStore(files.source, {
      W_enc: same(wEnc, isScaled ? (x) => x / factor : undefined),
      W_dec: same(wDec, isScaled ? (x) => x * factor : undefined),
      b_enc: same(need(tensors, "b_enc", 1)),
      b_dec: same(need(tensors, "b_dec", 1)),
      threshold: same(need(tensors, "threshold", 1)),
    });
    return { config, store };
  },
};

function isEmbedding({ names }: SaeFiles): boolean {
  return /gemma-scope-.*\/embedding\//.test(names);
}

/**
 * What the names of directories say of it; `hookOut` is "" for a transcoder whose layer they do not say. A transcoder
 * has the same tensors as an SAE.
 */
function whereabouts(
  files: SaeFiles,
  isTranscoder: boolean,
): Pick<Settings, "architecture" | "modelName" | "hook" | "hookOut"> {
  const { names } = files;
  const [, size, kind] = SIZES.exec(names) ?? [];
  const modelName = size && `gemma-2-${size}${kind === "it" ? "-it" : ""}`;
  const layer = numberIn(names, /layer_(\d+)/);
  if (isTranscoder || /gemma-scope-[^/]*transcoders/.test(names)) {
    const hook = hookOf(layer, "ln2.hook_normalized");
    return { architecture: "jumprelu_transcoder", modelName, hook, hookOut: hookOf(layer, "hook_mlp_out") ?? "" };
  }
  const site = /gemma-scope-[^/]*-(res|mlp|att)\b/.exec(names)?.[1];
  const hook = isEmbedding(files) ? "hook_embed" : site && hookOf(layer, SITES[site]);
  return { architecture: "jumprelu", modelName, hook };
}
