/**
 * What a feature adds to the residual stream by itself.
 *
 * @module
 */
import { type Graph, graphInputs, sliceGraph } from "../../graph/mod.ts";
import { findHook } from "../../model/hooks.ts";
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import { NO_PROCESSING, type WeightRef } from "../../model/architecture.ts";

/** A feature that reaches the stream only through something that is not linear has no direction there. */
export class NoDirectionError extends RangeError {
  override readonly name = "NoDirectionError";
}

/** Hooks whose value is the residual stream or is added to it. */
const IN_STREAM =
  /^(hook_embed|hook_pos_embed|(blocks\.\d+\.)?hook_(resid_pre|resid_mid|resid_post|attn_out|mlp_out))$/;
/** Where what is at other hooks of a block is added to the stream. */
const WRITTEN_BY: Readonly<Record<string, string>> = {
  "attn.hook_z": "hook_attn_out",
  "mlp.hook_post": "hook_mlp_out",
};
/** How far from linear float32 makes a linear map, relative to the largest element. */
const ROUNDING = 1e-4;

/**
 * What one unit of each feature's activation adds to the residual stream, `[feature, d_model]`: its decoder row; of SAEs
 * at `hook_z` and `hook_post`, after the output weights of the attention or the MLP; of cross-layer transcoders, what it
 * writes to all layers together.
 *
 * @throws {NoDirectionError} if the SAE writes elsewhere, or where a norm follows
 */
export async function featureDirections(model: Model, sae: Sae, features: readonly number[]): Promise<Float32Array> {
  const { stage, local } = findHook(model.architecture, sae.hookOut);
  const rows = await sae.decoderRows(features);
  if (sae.hooksOut.every((hook) => IN_STREAM.test(hook))) return addedUp(rows, features.length, sae.config.dOut);
  const { nLayers } = model.architecture.config;
  const written = sae.hooksOut.length === 1 && Object.hasOwn(WRITTEN_BY, local) && stage >= 1 && stage <= nLayers
    ? WRITTEN_BY[local]
    : undefined;
  const directions = written && await throughBlock(model, sae, stage - 1, [local, written], rows);
  if (directions) return directions;
  throw new NoDirectionError(
    `The SAE writes at ${sae.hookOut}, which is not added to the residual stream as it is: ` +
      "its features have no logits of their own",
  );
}

/** What is written to several hooks side by side, `[feature, hook · d]`, all goes into the stream: `[feature, d]`. */
function addedUp(rows: Float32Array, n: number, d: number): Float32Array {
  const width = rows.length / n;
  const sums = new Float32Array(n * d);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < width; i++) sums[r * d + i % d] += rows[r * width + i];
  }
  return sums;
}

/** The linear map from one hook of a block to another, applied to rows; undefined if it is not linear. */
async function throughBlock(
  model: Model,
  { config: { dOut, hookHeadIndex = 0 } }: Sae,
  layer: number,
  [from, to]: readonly [from: string, to: string],
  rows: Float32Array,
): Promise<Float32Array | undefined> {
  const { architecture, runtime } = model;
  const { hooks } = architecture.block(layer, { processing: NO_PROCESSING, selectRows: false });
  const graph = sliceGraph({ value: hooks[from] }, { written: hooks[to] });
  const refs = weightsOfGraph(graph, architecture.blockWeights(layer));
  if (refs === undefined) return undefined;
  // Row 0 gives what is added to every row; the last one is twice the first feature's.
  const width = (hooks[from].shape.slice(2) as number[]).reduce((a, b) => a * b, 1);
  const n = rows.length / dOut;
  const data = new Float32Array((n + 2) * width);
  for (let r = 0; r < n; r++) {
    data.set(rows.subarray(r * dOut, (r + 1) * dOut), (r + 1) * width + (dOut < width ? hookHeadIndex * dOut : 0));
  }
  data.set(data.subarray(width, 2 * width).map((x) => 2 * x), (n + 1) * width);
  const dims = [1, n + 2, ...hooks[from].shape.slice(2) as number[]];
  const session = await runtime.session(graph);
  const { written } = await session.run({ value: { dims, data }, ...await model.readWeights(refs) });
  return linearPart(written.data as Float32Array, n, architecture.config.dModel);
}

/** Those of a block's weights that a graph takes; undefined if it takes anything else. */
function weightsOfGraph(
  graph: Graph,
  weights: Readonly<Record<string, WeightRef>>,
): Record<string, WeightRef> | undefined {
  const names = [...graphInputs(graph).keys()].filter((name) => name !== "value");
  if (names.some((name) => !Object.hasOwn(weights, name))) return undefined;
  return Object.fromEntries(names.map((name) => [name, weights[name]]));
}

function linearPart(out: Float32Array, n: number, d: number): Float32Array | undefined {
  const added = (row: number): Float32Array => out.slice(row * d, (row + 1) * d).map((x, i) => x - out[i]);
  const [once, twice] = [added(1), added(n + 1)];
  const largest = twice.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  if (twice.some((x, i) => Math.abs(x - 2 * once[i]) > ROUNDING * largest)) return undefined;
  const directions = new Float32Array(n * d);
  for (let r = 0; r < n; r++) directions.set(added(r + 1), r * d);
  return directions;
}
