import { hasAll, need } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberIn, RAW } from "./settings.ts";
import { same, type View, viewStore } from "../../weights/tensors/view.ts";
import { scalarsIn, sectionIn } from "./yaml.ts";

const WEIGHTS = "latest_ckpt.safetensors";

/** Temporal SAEs (Lubana et al. 2025; canrager): `conf.yaml` and `latest_ckpt.safetensors`. */
export const temporal: SaeFormat = {
  name: "temporal SAE",
  async open(files, options) {
    if (files.named !== undefined && files.named !== WEIGHTS) return undefined;
    const yaml = await files.text("conf.yaml");
    if (yaml === undefined || !await files.has(WEIGHTS)) return undefined;
    const tensors = await files.tensors(WEIGHTS);
    if (!hasAll(tensors, ["D", "b"])) return undefined;
    const [D, section] = [need(tensors, "D", 2), scalarsIn(sectionIn(yaml, "sae"))];
    const [dSae, dIn] = D.shape;
    const number = (key: string): number | null => {
      const text = section[key] ?? "null";
      return text === "null" ? null : Number(text);
    };
    const settings = {
      architecture: "temporal",
      dIn,
      dSae,
      applyBDecToInput: true,
      modelFromPretrainedKwargs: RAW,
      normalizeActivations: "constant_scalar_rescale" as const,
      hook: hookOf(numberIn(files.names, /layer_(\d+)/), "hook_resid_post"),
      own: {
        n_heads: number("n_heads"),
        n_attn_layers: number("n_attn_layers"),
        bottleneck_factor: number("bottleneck_factor"),
        sae_diff_type: section.sae_diff_type,
        kval_topk: number("kval_topk"),
        tied_weights: /^true$/i.test(section.tied_weights ?? "true"),
        activation_normalization_factor: number("scaling_factor"),
      },
    };
    const views: Record<string, View> = { W_dec: same(D), b_dec: same(need(tensors, "b", 1)) };
    for (const name of tensors.keys()) if (name.startsWith("attn_layers.")) views[name] = same(tensors.get(name)!);
    if (tensors.has("E")) views.W_enc = same(need(tensors, "E", 2));
    return { config: makeConfig(settings, files, options), store: viewStore(files.source, views) };
  },
};
