/**
 * Settings of SAELens before version 6 in the layout of version 6.
 *
 * @module
 */
import { quote } from "../quote.ts";
import type { Json } from "../settings.ts";

/** Settings that only {@linkcode upgrade} reads. */
export const UPGRADED: readonly string[] = [
  "hook_point",
  "hook_point_head_index",
  "activation_fn",
  "activation_fn_str",
  "activation_fn_kwargs",
];

/** The layout of version 6: settings of the SAE at the top, of the model under `metadata`. */
export function upgrade(json: Json): Json {
  if (json.metadata !== undefined) {
    if (typeof json.metadata !== "object" || json.metadata === null) {
      throw new TypeError("cfg.json: metadata is no object");
    }
    return json;
  }
  const hook = json.hook_name ?? json.hook_point;
  const k = (json.activation_fn_kwargs as Json | null | undefined)?.k ?? undefined;
  const activation = json.activation_fn ?? json.activation_fn_str ?? "relu";
  const topK = activation === "topk" && k !== undefined;
  if (activation !== "relu" && !topK) {
    throw new RangeError(
      `cfg.json: the activation function ${quote(activation)} is not supported, relu and topk with its k are`,
    );
  }
  const normalize = json.normalize_activations;
  return {
    ...json,
    architecture: topK ? "topk" : json.architecture ?? "standard",
    k: topK ? k : json.k,
    normalize_activations: typeof normalize === "boolean"
      ? (normalize ? "expected_average_only_in" : "none")
      : normalize,
    reshape_activations: json.reshape_activations ??
      (typeof hook === "string" && hook.includes("hook_z") ? "hook_z" : "none"),
    metadata: {
      ...json,
      hook_name: hook,
      hook_head_index: json.hook_head_index ?? json.hook_point_head_index,
      prepend_bos: json.prepend_bos ?? true,
    },
  };
}
