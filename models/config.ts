/**
 * Reading settings of a `config.json`, which is somebody else's file: every value is checked.
 *
 * @module
 */
import type { ActivationName } from "../lib/graph/mod.ts";
import { quote } from "../lib/quote.ts";
import { type Json, settingsReader } from "../lib/settings.ts";

const read = settingsReader("config.json");

/** An object within the configuration; undefined where it is null or absent. */
export const section: (config: Json, key: string) => Json | undefined = read.section;

/** A size: a whole number from 1 to 2³¹ − 1, under the first of the keys that is present. */
export function size(config: Json, keys: readonly string[], fallback?: number): number {
  const key = keys.find((k) => (config[k] ?? undefined) !== undefined);
  return key === undefined && fallback !== undefined ? fallback : read.size(config, key ?? keys[0]);
}

/** More layers than any model has; a file that says more would keep us busy before its weights are looked at. */
const MAX_LAYERS = 4096;

/** The number of layers. */
export function layerCount(config: Json, keys: readonly string[], fallback?: number): number {
  const count = size(config, keys, fallback);
  if (count > MAX_LAYERS) throw new RangeError(`config.json: ${count} layers; at most ${MAX_LAYERS} are supported`);
  return count;
}

/** The size of a head where the configuration does not give it: d_model over the number of heads. */
export function headSize(dModel: number, nHeads: number): number {
  if (dModel % nHeads !== 0) throw new RangeError(`config.json: ${nHeads} heads do not divide d_model ${dModel}`);
  return dModel / nHeads;
}

/** A size, or undefined where the setting is null, or absent and without a fallback. */
export function optionalSize(config: Json, key: string, fallback?: number): number | undefined {
  if (config[key] === null || (config[key] === undefined && fallback === undefined)) return undefined;
  return size(config, [key], fallback);
}

/** A positive number, or undefined where the setting is null, or absent and without a fallback. */
export function optionalPositive(config: Json, key: string, fallback?: number): number | undefined {
  if (config[key] === null || (config[key] === undefined && fallback === undefined)) return undefined;
  return positive(config, key, fallback);
}

/** A positive number. */
export function positive(config: Json, key: string, fallback?: number): number {
  const value = read.positive(config, key) ?? fallback;
  if (value === undefined) throw new TypeError(`config.json has no "${key}"`);
  return value;
}

/** A flag. */
export function flag(config: Json, key: string, fallback: boolean): boolean {
  return read.flag(config, key) ?? fallback;
}

/**
 * A setting that only one value of is supported.
 *
 * @throws {RangeError} if it has another
 */
export function only(config: Json, key: string, supported: boolean): void {
  if (flag(config, key, supported) === supported) return;
  throw new RangeError(
    `config.json: "${key}": ${!supported} is not supported for ${quote(config.model_type)}`,
  );
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
  return ACTIVATIONS[read.choice(config, key, Object.keys(ACTIVATIONS), fallback)];
}
