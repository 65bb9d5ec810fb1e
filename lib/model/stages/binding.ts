/**
 * Whether a model's weights stay in memory.
 *
 * @module
 */
import type { Architecture } from "../../../models/family.ts";
import { availableMemory } from "../../platform/memory.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { WeightBinding } from "./stages.ts";

/** How weights come to the graphs; `auto`: resident where memory allows. */
export type WeightChoice = "auto" | WeightBinding;

/** The choices by name. */
export const WEIGHT_CHOICES: readonly WeightChoice[] = ["auto", "streamed", "resident"];

/** WebAssembly has 4 GiB of addresses, and activations need some. */
const WASM_BYTES = 2.5 * 2 ** 30;

/** Weights that are packed for a processor's kernels are there twice, for the forward and the backward pass. */
const COPIES: Readonly<Record<Runtime["device"], number>> = { wasm: 1, native: 2, webgpu: 1, onnx: 2 };

/** Bytes of all weights as float32, the embedding and unembedding included. */
export function weightBytes(architecture: Architecture): number {
  const refs = [architecture.embedding.tokens, ...Object.values(architecture.finalWeights())];
  for (let layer = 0; layer < architecture.config.nLayers; layer++) {
    refs.push(...Object.values(architecture.blockWeights(layer)));
  }
  return 4 * refs.reduce((sum, ref) => sum + elements(ref), 0);
}

function elements({ shape }: { readonly shape: readonly number[] }): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Floating-point operations of a forward pass, per token: a multiplication and an addition per weight of the blocks. */
export function operationsPerToken(architecture: Architecture): number {
  return 2 * (weightBytes(architecture) / 4 - elements(architecture.embedding.tokens));
}

/**
 * What `auto` comes to: resident if the weights fit.
 *
 * @param memoryLimit bytes that weights may take; default: half of the memory that is free
 */
export function chooseBinding(
  choice: WeightChoice,
  architecture: Architecture,
  device: Runtime["device"],
  memoryLimit: number = availableMemory() / 2,
): WeightBinding {
  if (choice !== "auto") return choice;
  const bytes = COPIES[device] * weightBytes(architecture);
  return bytes <= memoryLimit && ((device !== "wasm" && device !== "onnx") || bytes <= WASM_BYTES)
    ? "resident"
    : "streamed";
}
