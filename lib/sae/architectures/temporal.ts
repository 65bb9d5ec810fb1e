import { add, input, matMul, softmax, swapLast } from "../../graph/mod.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Json } from "../../settings.ts";
import { CFG, keptFeatures, type SaeConfig } from "../config.ts";
import { linear, timesMatrix } from "../products.ts";
import { SparseBuilder } from "../sparse.ts";
import type { CommonSettings, OwnEncoded, OwnEncoding, SaeArchitecture } from "./architecture.ts";

/** SAELens's ε of a prediction's norm. */
const EPS = 1e-6;
/** More than any SAE has; what is more would be gone through before its tensors are looked at. */
const MAX_LAYERS = 1024;

/**
 * Temporal SAE (Lubana et al. 2025, arXiv 2511.01836): attention over codes predicts part of each position from those
 * before it; of what is left, the novel part, f = relu(λ z_novel · W_enc), of which the k largest. Features are the novel
 * codes, as in SAELens; what is predicted is written without them, like a bias. x̂ is that of SAELens's `forward`: its
 * `decode` writes the novel part alone, with which the prediction would count as error.
 */
export const temporal: SaeArchitecture = {
  vectors: [],
  acrossPositions: true,
  adds: ({ applyBDecToInput, temporal }) => !temporal!.tiedWeights || applyBDecToInput,
  shapes({ dIn, dSae, temporal }) {
    const { nAttnLayers, bottleneckFactor, tiedWeights } = temporal!;
    const narrow = dSae / bottleneckFactor;
    const layers = Array.from({ length: nAttnLayers }, (_, i): [string, number][] => [
      [`attn_layers.${i}.k_ctx`, narrow],
      [`attn_layers.${i}.q_target`, narrow],
      [`attn_layers.${i}.v_ctx`, dSae],
      [`attn_layers.${i}.c_proj`, dSae],
    ]).flat();
    return {
      ...(tiedWeights ? {} : { W_enc: [dIn, dSae] }),
      ...Object.fromEntries(layers.map(([name, size]) => [`${name}.weight`, [size, dSae]])),
      ...Object.fromEntries(layers.map(([name, size]) => [`${name}.bias`, [size]])),
    };
  },
  folding: "none",
  readSettings,
  encode,
};

/** Its attention, with SAELens's defaults, and how many novel codes stay; `k` undefined: all. */
function readSettings(cfg: Json, { dSae }: CommonSettings): Pick<SaeConfig, "k" | "temporal"> {
  const or = (key: string, fallback: number, most?: number): number =>
    (cfg[key] ?? undefined) === undefined ? fallback : CFG.size(cfg, key, most);
  const [nHeads, bottleneckFactor] = [or("n_heads", 8), or("bottleneck_factor", 64)];
  if (dSae % (nHeads * bottleneckFactor) !== 0) {
    throw new RangeError(
      `cfg.json: ${dSae} features cannot be divided by n_heads ${nHeads} times bottleneck_factor ${bottleneckFactor}`,
    );
  }
  const nAttnLayers = or("n_attn_layers", 1, MAX_LAYERS);
  const tiedWeights = CFG.flag(cfg, "tied_weights") ?? true;
  const isTopK = CFG.choice(cfg, "sae_diff_type", ["relu", "topk"] as const, "topk") === "topk";
  const k = isTopK && (cfg.kval_topk ?? undefined) !== undefined ? keptFeatures(cfg, "kval_topk", dSae) : undefined;
  return { k, temporal: { nHeads, nAttnLayers, bottleneckFactor, tiedWeights } };
}

async function encode(encoding: OwnEncoding): Promise<OwnEncoded> {
  const { z, rows, config: { dIn, dSae, k, temporal } } = encoding;
  const residual = z.slice();
  const written = new Float32Array(z.length);
  for (let layer = 0; layer < temporal!.nAttnLayers; layer++) {
    const codes = await predictedCodes(encoding, layer, await hidden(encoding, residual));
    const prediction = await timesMatrix(encoding, "W_dec", codes);
    for (let r = 0; r < rows; r++) {
      let [dot, square] = [0, 0];
      for (let i = r * dIn; i < (r + 1) * dIn; i++) {
        dot += prediction[i] * residual[i];
        square += prediction[i] ** 2;
      }
      const scale = dot / (Math.sqrt(square) + EPS) ** 2; // the projection of what is left
      for (let i = r * dIn; i < (r + 1) * dIn; i++) {
        written[i] += scale * prediction[i];
        residual[i] -= scale * prediction[i];
      }
    }
  }
  const builder = new SparseBuilder(rows, k === undefined ? undefined : { k, by: "by value" });
  builder.add({ dims: [rows, dSae], data: await hidden(encoding, residual) }, 0);
  return { activations: builder.finish(), written };
}

/** relu(λ x · W_enc), `[row, d_sae]`, λ = 1 / 4 d_in */
async function hidden(encoding: OwnEncoding, x: Float32Array): Promise<Float32Array> {
  const { dIn, temporal } = encoding.config;
  const scaled = x.map((value) => value / (4 * dIn));
  const codes = temporal!.tiedWeights
    ? await linear(encoding, "W_dec", scaled)
    : await timesMatrix(encoding, "W_enc", scaled);
  return codes.map(relu);
}

/** What is not finite stays so, to be found. */
function relu(value: number): number {
  return value - value === 0 ? Math.max(0, value) : NaN;
}

/** Attention of each position's codes over the codes of earlier positions, none for the first. */
async function predictedCodes(encoding: OwnEncoding, layer: number, codes: Float32Array): Promise<Float32Array> {
  const { rows, runtime, store, config: { dSae, temporal } } = encoding;
  const { nHeads, bottleneckFactor } = temporal!;
  const context = new Float32Array(codes.length);
  context.set(codes.subarray(0, codes.length - dSae), dSae);
  const project = async (name: string, x: Float32Array): Promise<Float32Array> => {
    const full = `attn_layers.${layer}.${name}`;
    return await linear(encoding, `${full}.weight`, x, await store.read(`${full}.bias`));
  };
  const [q, k, v] = [
    await project("q_target", codes),
    await project("k_ctx", context),
    await project("v_ctx", context),
  ];
  const [dQuery, dValue] = [dSae / bottleneckFactor / nHeads, dSae / nHeads];
  const mixed = new Float32Array(codes.length);
  for (let head = 0; head < nHeads; head++) {
    const out = await attend(runtime, rows, {
      q: columns(q, rows, head, dQuery).map((value) => value / Math.sqrt(dQuery)),
      k: columns(k, rows, head, dQuery),
      v: columns(v, rows, head, dValue),
    });
    for (let r = 0; r < rows; r++) mixed.set(out.subarray(r * dValue, (r + 1) * dValue), r * dSae + head * dValue);
  }
  return (await project("c_proj", mixed)).map(relu);
}

/** Columns of one head. */
function columns(data: Float32Array, rows: number, head: number, d: number): Float32Array {
  const width = data.length / rows;
  const part = new Float32Array(rows * d);
  for (let r = 0; r < rows; r++) {
    part.set(data.subarray(r * width + head * d, r * width + (head + 1) * d), r * d);
  }
  return part;
}

/** softmax(q · kᵀ + causal mask) · v of one head, `[row, d_value]` */
async function attend(
  runtime: Runtime,
  rows: number,
  { q, k, v }: Readonly<Record<"q" | "k" | "v", Float32Array>>,
): Promise<Float32Array> {
  const scores = matMul(input("q", ["row", "d_query"]), swapLast(input("k", ["row", "d_query"])));
  const pattern = softmax(add(scores, input("mask", ["row", "row"])));
  const session = await runtime.session({ out: matMul(pattern, input("v", ["row", "d_value"])) });
  const mask = Float32Array.from({ length: rows * rows }, (_, i) => i % rows > Math.floor(i / rows) ? -1e30 : 0);
  const matrix = (data: Float32Array): FloatTensor => ({ dims: [rows, data.length / rows], data });
  const { out } = await session.run({ q: matrix(q), k: matrix(k), v: matrix(v), mask: matrix(mask) });
  return (out as FloatTensor).data;
}
