/**
 * Steering vectors: directions that are added at a hook, whatever features there are.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Model } from "../../model/model.ts";
import { firstNonFinite, type FloatTensor, norm } from "../../runtime/tensor.ts";
import { hookWidth } from "../run/sae_hooks.ts";
import type { ProcessingChoice } from "../run/processing.ts";
import type { SaeRunOptions } from "../run/run_options.ts";
import type { Sae } from "../../sae/sae.ts";
import type { Intervention } from "./interventions.ts";

/**
 * A vector that is added at a hook: x' = x + strength · v; with `relative`, x' = x + strength · ‖x‖ · v / ‖v‖, the norm
 * of x being that of the position.
 */
export interface SteeringVector {
  /** Any hook that has as many numbers per position, heads side by side. */
  readonly hook: string;
  /** v, `[d]`. */
  readonly vector: Float32Array;
  /** As an intervention's; it too leaves out the positions at which SAEs are left out. */
  readonly position: Intervention["position"];
  /** Default 1. */
  readonly strength?: number;
  /** The strength is in units of the norm at the position, whatever the vector's length. */
  readonly relative?: boolean;
}

const VECTOR: OptionKinds<SteeringVector> = {
  hook: "any",
  vector: "any",
  position: ["all", "prompt", "new"],
  strength: "any",
  relative: "flag",
};

/** The changes of features, and vectors, which are checked: their hooks and widths too. */
export function separated(
  model: Model,
  changes: readonly (Intervention | SteeringVector)[],
): { features: Intervention[]; vectors: SteeringVector[] } {
  const isVector = (change: Intervention | SteeringVector): change is SteeringVector =>
    typeof change === "object" && change !== null && Object.hasOwn(change, "vector");
  const vectors = changes.filter(isVector);
  for (const vector of vectors) checkVector(model, vector);
  return { vectors, features: changes.filter((change): change is Intervention => !isVector(change)) };
}

/** @throws {TypeError | RangeError} if it is no vector, or not one of a model's hook */
function checkVector(model: Model, given: SteeringVector): void {
  checkOptions("a steering vector", given, VECTOR);
  const { hook, vector, strength = 1, relative } = given;
  if (!(vector instanceof Float32Array)) throw new TypeError("The steering vector is no Float32Array");
  const width = hookWidth(model, hook);
  if (width === undefined) throw new RangeError(`A vector cannot be added at ${hook}, which has no value per position`);
  if (vector.length !== width) {
    throw new RangeError(`The steering vector has ${vector.length} numbers, but ${hook} has ${width} per position`);
  }
  const at = firstNonFinite(vector);
  if (at >= 0) throw new RangeError(`The steering vector's number ${at} is ${vector[at]}: give finite ones`);
  if (!Number.isFinite(strength)) throw new RangeError(`The strength of the vector at ${hook} is not a number`);
  if (relative && norm(vector) === 0) {
    throw new RangeError(`The vector at ${hook} is 0, which has no direction: leave out \`relative\``);
  }
}

/** Without SAEs, whose form of the model it would be, the model is as it is: vectors come from that one, and so do norms. */
export function steeredForm({ saes, processing = "sae" }: SteeredForm): ProcessingChoice {
  return processing === "sae" && saes.length === 0 ? "none" : processing;
}

interface SteeredForm extends Pick<SaeRunOptions, "processing"> {
  readonly saes: readonly Sae[];
}

/** A vector and the rows at which it is added. */
export interface PlacedVector extends SteeringVector {
  readonly rows: readonly number[];
}

/** A hook's value, `[1, row, …]`, with vectors added; relative ones see what comes in, not each other. */
export function addVectors({ dims, data }: FloatTensor, vectors: readonly PlacedVector[], by: number = 1): FloatTensor {
  const sum = data.slice();
  for (const { vector, strength = 1, relative = false, rows } of vectors) {
    const d = vector.length;
    const unit = relative ? 1 / norm(vector) : 1;
    for (const row of rows) {
      const factor = by * strength * unit * (relative ? norm(data.subarray(row * d, (row + 1) * d)) : 1);
      for (let i = 0; i < d; i++) sum[row * d + i] += factor * vector[i];
    }
  }
  return { dims, data: sum };
}
