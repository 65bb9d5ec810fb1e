/**
 * Where an SAE reads and writes, as far as its names say. The SAE's own files have the last word.
 *
 * @module
 */

/** Hooks by TransformerLens's names. */
export interface Hooks {
  /** The hook that it writes. */
  readonly hook?: string;
  /** The hook that a transcoder reads. */
  readonly hookIn?: string;
}

/** What the rules look at. */
export interface NamedSae {
  readonly repo: string;
  readonly id: string;
  readonly path: string;
}

/** What a loader of SAELens takes the hook from; loaders that are not here name it in the id. */
const RULES: Readonly<Record<string, (sae: NamedSae) => Hooks>> = {
  gemma_2: gemmaScope,
  gemma_2_transcoder: ({ path }) => transcoder(layerIn(path), "ln2.hook_normalized"),
  gemma_3: gemmaScope2,
  goodfire: ({ id }) => residPost(layerIn(id)),
  llama_scope: llamaScope,
  llama_scope_r1_distill: llamaScope,
  mntss_clt_layer_transcoder: () => ({}),
  mwhanna_transcoder: ({ id }) => transcoder(layerIn(id), "mlp.hook_in"),
  qwen_scope: ({ id }) => residPost(layerIn(id)),
};

/** The hooks that a listed SAE's names stand for. */
export function hooksOf(loader: string, sae: NamedSae): Hooks {
  return Object.hasOwn(RULES, loader) ? RULES[loader](sae) : hookInId(sae);
}

/** `blocks.8.hook_resid_pre_768`, `blocks.3.hook_resid_post__trainer_0`, `resid_post_layer_3_trainer_1`. */
function hookInId({ id }: NamedSae): Hooks {
  const [, block, name] = /^(blocks\.\d+)\.(?:attn\.)?(hook_[a-z]+(?:_[a-z]+)*)(?:_\d+|__.*)?$/.exec(id) ?? [];
  if (block !== undefined) return { hook: `${block}.${name === "hook_z" ? "attn.hook_z" : name}` };
  return id.startsWith("resid_post_layer_") ? residPost(layerIn(id)) : {};
}

/** Gemma Scope: the repository says what is read. */
function gemmaScope({ repo, path }: NamedSae): Hooks {
  if (path.startsWith("embedding")) return { hook: "hook_embed" };
  const layer = layerIn(path);
  if (layer === undefined) return {};
  if (repo.endsWith("-mlp")) return { hook: `blocks.${layer}.hook_mlp_out` };
  return repo.endsWith("-att") ? { hook: `blocks.${layer}.attn.hook_z` } : residPost(layer);
}

/** Gemma Scope 2: the directory says it. */
function gemmaScope2({ path }: NamedSae): Hooks {
  const layer = layerIn(path);
  if (layer === undefined) return {};
  if (path.includes("transcoder") || path.includes("clt")) return transcoder(layer, "hook_mlp_in");
  if (path.startsWith("attn_out")) return { hook: `blocks.${layer}.attn.hook_z` };
  return path.startsWith("mlp_out") ? { hook: `blocks.${layer}.hook_mlp_out` } : residPost(layer);
}

/** `l12r_8x`: residual stream, attention or MLP of layer 12. */
function llamaScope({ id }: NamedSae): Hooks {
  const [, layer, kind] = /^l(\d+)([ram])_/.exec(id) ?? [];
  if (layer === undefined) return {};
  return { hook: `blocks.${layer}.${{ r: "hook_resid_post", a: "hook_attn_out", m: "hook_mlp_out" }[kind]}` };
}

function residPost(layer: string | undefined): Hooks {
  return layer === undefined ? {} : { hook: `blocks.${layer}.hook_resid_post` };
}

function transcoder(layer: string | undefined, input: string): Hooks {
  return layer === undefined ? {} : { hookIn: `blocks.${layer}.${input}`, hook: `blocks.${layer}.hook_mlp_out` };
}

function layerIn(text: string): string | undefined {
  return /layer_?(\d+)/.exec(text)?.[1];
}
