import { quote } from "../../quote.ts";
import { need, type SaeFiles, type StoredTensors } from "./files.ts";
import type { SaeFormat } from "./format.ts";
import { hookOf, makeConfig, numberIn, numberOf, RAW } from "./settings.ts";
import type { Stored } from "../../weights/tensors/stored.ts";
import { filled, same, transposed, type View, viewStore } from "../../weights/tensors/view.ts";

type Config = Readonly<Record<string, unknown>>;

/** Hooks by what follows the layer in a hookpoint's name: `layers.5.mlp`. */
const SITES: Readonly<Record<string, string>> = {
  "": "hook_resid_post",
  mlp: "hook_mlp_out",
  attn: "hook_attn_out",
  self_attn: "hook_attn_out",
  attention: "hook_attn_out",
};

/** sparsify (EleutherAI): `cfg.json` and `sae.safetensors` in a directory named after its hookpoint, `layers.5`. */
export const sparsify: SaeFormat = {
  name: "sparsify",
  async open(files, options) {
    const file = await files.weights("sae.safetensors", /^sae\.safetensors$/);
    const json = file === undefined ? undefined : await files.json("cfg.json");
    if (file === undefined || !json) return undefined;
    refuse(json, files);
    const tensors = await files.tensors(file);
    const wEnc = tensors.has("W_enc")
      ? same(need(tensors, "W_enc", 2))
      : transposed(need(tensors, "encoder.weight", 2));
    const [dIn, dSae] = wEnc.shape;
    const store = viewStore(files.source, {
      W_enc: wEnc,
      W_dec: decoder(tensors, dSae),
      b_enc: bias(tensors, ["b_enc", "encoder.bias"], dSae, file),
      b_dec: bias(tensors, ["b_dec", "decoder.bias"], dIn, file),
    });
    const config = makeConfig(
      {
        architecture: json.signed === true ? "abstopk" : "topk",
        dIn,
        dSae,
        applyBDecToInput: true,
        modelFromPretrainedKwargs: RAW,
        k: numberOf(json, "k"),
        hook: hookIn(files.names),
        contextSize: 2048,
      },
      files,
      options,
    );
    return { config, store };
  },
};

function refuse(json: Config, { location }: SaeFiles): void {
  const { activation = "topk", transcode, skip_connection: skip } = json;
  if (activation !== "topk") {
    throw new RangeError(`${location}: its activation ${quote(activation)} is not supported, topk is`);
  }
  if (transcode === true || skip === true) {
    throw new RangeError(`${location}: it is a top-k transcoder or has a skip connection: not supported`);
  }
}

/** The decoder is [features, d] as the encoder is; where it is named as a linear layer, or its shape says so, [d, features]. */
function decoder(tensors: StoredTensors, dSae: number): View {
  if (!tensors.has("W_dec")) return transposed(need(tensors, "decoder.weight", 2));
  const stored: Stored = need(tensors, "W_dec", 2);
  return stored.shape[0] === dSae ? same(stored) : transposed(stored);
}

function bias(tensors: StoredTensors, names: readonly string[], length: number, file: string): View {
  const name = names.find((candidate) => tensors.has(candidate));
  return name === undefined ? filled(0, length, file) : same(need(tensors, name, 1));
}

function hookIn(names: string): string | undefined {
  const parts = names.split("/");
  if (parts.includes("embed_tokens")) return "hook_embed";
  const hookpoint = parts.find((part) => /(^|\.)(layers|h)[._]\d+/.test(part)) ?? "";
  const rest = /(?:layers|h)[._]\d+(?:\.(.*))?$/.exec(hookpoint)?.[1] ?? "";
  const site = Object.hasOwn(SITES, rest) ? SITES[rest] : undefined;
  return site && hookOf(numberIn(hookpoint, /(?:layers|h)[._](\d+)/), site);
}
