import { need, type SaeFiles } from "./files.ts";
import type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";
import { makeConfig } from "./settings.ts";
import type { Stored } from "../../weights/tensors/stored.ts";
import { flattened, same, transposed, type View, viewStore } from "../../weights/tensors/view.ts";

/**
 * Cross-layer transcoders for circuit-tracer (Ameisen et al. 2025; mntss): for each layer `W_enc_0.safetensors` and
 * `W_dec_0.safetensors`, and a `config.yaml` that names the hooks. W_enc is [features, d]; W_dec, [features, layers from
 * this one on, d], is a decoder row for each of the layers side by side.
 */
export const crossLayer: SaeFormat = {
  name: "cross-layer transcoder",
  async open(files, options) {
    if (files.named !== undefined) {
      if (/^W_(enc|dec)_\d+\.safetensors$/.test(files.named)) throw oneLayer(files);
      return undefined;
    }
    if (!await files.has("W_enc_0.safetensors")) return undefined;
    const yaml = await files.yaml("config.yaml") ?? {};
    const open = (layer: number): Promise<Layer> => tracerLayer(files, layer);
    return await openLayers(files, options, open, {
      hookIn: yaml.feature_input_hook ?? "hook_resid_mid",
      hookOut: yaml.feature_output_hook ?? "hook_mlp_out",
      modelName: yaml.model_name,
    });
  },
};

/**
 * Cross-layer transcoders of Gemma Scope 2 (Gemma 3): `params_layer_0.safetensors`, … W_dec is [features, all layers, d],
 * of which a feature writes those from its own on.
 */
export const gemmaScope2CrossLayer: SaeFormat = {
  name: "Gemma Scope 2 cross-layer transcoder",
  async open(files, options) {
    const first = files.named ?? "params_layer_0.safetensors";
    if (!/^params_layer_\d+\.safetensors$/.test(first) || !await files.has(first)) return undefined;
    if ((await files.tensors(first)).get("w_dec")?.shape.length !== 3) return undefined;
    if (files.named !== undefined) throw oneLayer(files);
    const release = /gemma-scope-2-(\w+)-(pt|it)/.exec(files.names);
    const modelName = release ? `google/gemma-3-${release[1]}-${release[2]}`.replace("270m-pt", "270m") : undefined;
    const open = (layer: number): Promise<Layer> => gemmaLayer(files, layer);
    return await openLayers(files, options, open, { hookIn: "mlp.hook_in", hookOut: "hook_mlp_out", modelName });
  },
};

function oneLayer({ location, source }: SaeFiles): RangeError {
  return new RangeError(
    `${location} is one layer of a cross-layer transcoder, whose features write at later layers too: ` +
      `give the directory of all layers, ${source.location}`,
  );
}

/** One layer under SAELens's names. */
interface Layer {
  readonly views: Readonly<Record<string, View>>;
  /** Layers from this one on. */
  readonly writes: number;
  readonly file: string;
}

async function tracerLayer(files: SaeFiles, layer: number): Promise<Layer> {
  const [encoder, file] = [`W_enc_${layer}.safetensors`, `W_dec_${layer}.safetensors`];
  const tensors = await tensorsOf(files, encoder);
  const W_dec = need(await tensorsOf(files, file), `W_dec_${layer}`, 3);
  const threshold = tensors.has(`threshold_${layer}`) ? need(tensors, `threshold_${layer}`, 1) : undefined;
  const views = {
    W_enc: transposed(need(tensors, `W_enc_${layer}`, 2)),
    W_dec: flattened(W_dec),
    b_enc: same(need(tensors, `b_enc_${layer}`, 1)),
    b_dec: same(need(tensors, `b_dec_${layer}`, 1)),
    ...(threshold ? { threshold: same(threshold) } : {}),
  };
  return { views, writes: W_dec.shape[1], file };
}

async function gemmaLayer(files: SaeFiles, layer: number): Promise<Layer> {
  const file = `params_layer_${layer}.safetensors`;
  const tensors = await tensorsOf(files, file);
  const W_dec = need(tensors, "w_dec", 3);
  const [, layers, d] = W_dec.shape;
  const skip: Stored | undefined = tensors.has("affine_skip_connection")
    ? need(tensors, "affine_skip_connection", 2)
    : undefined;
  const views = {
    W_enc: same(need(tensors, "w_enc", 2)),
    W_dec: flattened(W_dec, Math.min(layer, layers) * d),
    b_enc: same(need(tensors, "b_enc", 1)),
    b_dec: same(need(tensors, "b_dec", 1)),
    threshold: same(need(tensors, "threshold", 1)),
    ...(skip ? { W_skip: transposed(skip) } : {}),
  };
  return { views, writes: layers - layer, file };
}

async function tensorsOf(files: SaeFiles, file: string): ReturnType<SaeFiles["tensors"]> {
  if (await files.has(file)) return await files.tensors(file);
  throw new TypeError(`${files.location} has no ${file}: a cross-layer transcoder is all of its layers`);
}

/** Where all layers read and write, by names in a block, and the model. */
interface Whereabouts {
  readonly hookIn: string;
  readonly hookOut: string;
  readonly modelName?: string;
}

/** More layers than any model has: what a damaged file may claim. */
const MAX_LAYERS = 1024;

async function openLayers(
  files: SaeFiles,
  { hook, hookIn, ...options }: LoadSaeOptions,
  open: (layer: number) => Promise<Layer>,
  where: Whereabouts,
): Promise<FoundSae[]> {
  const first = await open(0);
  const count = first.writes;
  if (count < 1 || count > MAX_LAYERS) throw new TypeError(`${first.file} writes at ${count} layers`);
  const local = [hookIn ?? where.hookIn, hook ?? where.hookOut];
  const whole = local.find((name) => /^blocks\./.test(name));
  if (whole !== undefined) {
    throw new RangeError(
      `${files.location} is a cross-layer transcoder: give the hook without its block, not ${whole}`,
    );
  }
  const hooksAt = (layer: number): string[] => local.map((name) => `blocks.${layer}.${name}`);
  const hooksOut = Array.from({ length: count }, (_, layer) => hooksAt(layer)[1]);
  const found: FoundSae[] = [];
  for (let layer = 0; layer < count; layer++) {
    const { views, writes, file } = layer === 0 ? first : await open(layer);
    if (writes !== count - layer) {
      throw new TypeError(`${file} writes at ${writes} layers: ${count - layer} of ${count} are expected`);
    }
    const [dIn, dSae] = views.W_enc.shape;
    const [dOut] = views.b_dec.shape;
    const config = makeConfig(
      {
        architecture: `${views.threshold ? "jumprelu_" : ""}${views.W_skip ? "skip_" : ""}transcoder`,
        dIn,
        dSae,
        dOut,
        hook: hooksAt(layer)[0],
        hookOut: hooksAt(layer)[1],
        modelName: where.modelName,
        modelFromPretrainedKwargs: { fold_ln: false },
      },
      files,
      options,
    );
    found.push({ config: { ...config, crossLayer: { layer, hooksOut } }, store: viewStore(files.source, views) });
  }
  return found;
}
