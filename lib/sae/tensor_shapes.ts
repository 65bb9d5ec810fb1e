/**
 * The tensors that an SAE has, under SAELens's names.
 *
 * @module
 */
import { findArchitecture } from "./architectures/mod.ts";
import { type SaeConfig, writtenHooks } from "./config.ts";

/** Names and shapes of all tensors that its architecture reads. @throws {RangeError} if that is not supported */
export function tensorShapes(config: SaeConfig): Readonly<Record<string, readonly number[]>> {
  const { dIn, dOut, dSae } = config;
  const { vectors, skip, encode, shapes: own } = findArchitecture(config.architecture);
  return {
    ...(encode ? own?.(config) : { W_enc: [dIn, dSae] }),
    W_dec: [dSae, dOut * writtenHooks(config).length],
    b_dec: [dOut],
    ...Object.fromEntries(vectors.map((name) => [name, [dSae]])),
    ...(skip ? { W_skip: [dOut, dIn] } : {}),
  };
}
