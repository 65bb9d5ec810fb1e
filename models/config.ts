/**
 * Reading settings of a `config.json`, which is somebody else's file: every value is checked.
 *
 * @module
 */
import type { ActivationName } from "../lib/graph/mod.ts";

type Json = Readonly<Record<string, unknown>>;

const MAX_SIZE = 2 ** 31 - 1;

/** A size: a whole number from 1 to 2³¹ − 1, under the first of the keys that is present. */
export function size(config: Json, keys: readonly string[], fallback?: number): number {
  const key = keys.find((k) => config[k] !== undefined && config[k] !== null);
  const value = key === undefined ? fallback : config[key];
  if (value === undefined) throw new TypeError(`config.json has no "${keys[0]}"`);
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > MAX_SIZE) {
    throw new TypeError(`config.json: "${key}" is ${JSON.stringify(value)}, not a size`);
  }
  return value;
}

/** A positive number. */
export function positive(config: Json, key: string, fallback: number): number {
  const value = config[key] ?? fallback;
  if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value)) {
    throw new TypeError(`config.json: "${key}" is ${JSON.stringify(value)}, not a positive number`);
  }
  return value;
}

/** A flag. */
export function flag(config: Json, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback;
  if (typeof value !== "boolean") throw new TypeError(`config.json: "${key}" is ${JSON.stringify(value)}, not a flag`);
  return value;
}

const ACTIVATIONS: Readonly<Record<string, ActivationName>> = {
  gelu: "gelu",
  gelu_new: "gelu_new",
  gelu_fast: "gelu_new",
  gelu_pytorch_tanh: "gelu_new",
  relu: "relu",
  silu: "silu",
  swish: "silu",
};

/** An activation function by transformers's name. */
export function activationName(config: Json, key: string, fallback: string): ActivationName {
  const value = config[key] ?? fallback;
  if (typeof value !== "string" || !Object.hasOwn(ACTIVATIONS, value)) {
    const known = Object.keys(ACTIVATIONS).join(", ");
    throw new RangeError(`config.json: "${key}" is ${JSON.stringify(value)}; supported are ${known}`);
  }
  return ACTIVATIONS[value];
}
