/**
 * Which layers see the whole context and which a sliding window.
 *
 * @module
 */
import { quote } from "../lib/graph/mod.ts";
import { flag, optionalSize } from "./config.ts";
import type { MaskSpec } from "./family.ts";

type Json = Readonly<Record<string, unknown>>;

/** transformers's names. */
export type LayerType = "full_attention" | "sliding_attention";

/**
 * Reads `layer_types`, one per layer.
 *
 * @param fallback what a layer is where the configuration does not say
 * @throws {TypeError | RangeError} if there is not one per layer, or one is of another type
 */
export function readLayerTypes(json: Json, nLayers: number, fallback: (layer: number) => LayerType): LayerType[] {
  const types = json.layer_types ?? undefined;
  if (types === undefined) return Array.from({ length: nLayers }, (_, layer) => fallback(layer));
  if (!Array.isArray(types) || types.length !== nLayers) {
    throw new TypeError(`config.json: "layer_types" is not a list of ${nLayers} types, one per layer`);
  }
  return types.map((type: unknown) => {
    if (type === "full_attention" || type === "sliding_attention") return type;
    throw new RangeError(
      `config.json: layers of type ${quote(type)} are not supported; supported are full_attention, sliding_attention`,
    );
  });
}

/** Qwen's: a window only if `use_sliding_window`, and then from layer `max_window_layers` on. */
export function readQwenLayerTypes(json: Json, nLayers: number): { types: LayerType[]; window: number | undefined } {
  const window = flag(json, "use_sliding_window", false) ? optionalSize(json, "sliding_window", 4096) : undefined;
  const first = json.max_window_layers ?? 28;
  if (typeof first !== "number") throw new TypeError(`config.json: "max_window_layers" is ${quote(first)}`);
  const type = (layer: number): LayerType =>
    window !== undefined && layer >= first ? "sliding_attention" : "full_attention";
  return { types: readLayerTypes(json, nLayers, type), window };
}

/** The name of a layer's mask. */
export const maskName = (type: LayerType): string => `mask:${type === "full_attention" ? "causal" : "window"}`;

/**
 * The masks that layers of these types need.
 *
 * @throws {RangeError} if one is to have a window of unknown size
 */
export function masksOf(types: readonly LayerType[], window: number | undefined): Record<string, MaskSpec> {
  const specs = types.map((type): [string, MaskSpec] => {
    if (type === "full_attention") return [maskName(type), {}];
    if (window === undefined) {
      throw new RangeError("config.json has layers of type sliding_attention, but no sliding_window");
    }
    return [maskName(type), { window }];
  });
  return Object.fromEntries(specs);
}
