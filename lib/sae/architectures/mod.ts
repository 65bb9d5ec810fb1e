/**
 * The SAE architectures that can be run.
 *
 * @module
 */
import type { SaeArchitecture } from "./architecture.ts";
import { standard } from "./standard.ts";

export type { SaeArchitecture } from "./architecture.ts";

/** Architectures by SAELens's name. */
export const ARCHITECTURES: Readonly<Record<string, SaeArchitecture>> = { standard };

/**
 * Finds an architecture.
 *
 * @throws {RangeError} if it is not supported; the message lists those that are.
 */
export function findArchitecture(name: string): SaeArchitecture {
  if (Object.hasOwn(ARCHITECTURES, name)) return ARCHITECTURES[name];
  throw new RangeError(
    `SAE architecture "${name}" is not supported; supported are ${Object.keys(ARCHITECTURES).join(", ")}`,
  );
}
