/**
 * Which attributions are not to be trusted.
 *
 * @module
 */
import type { AttributionRow } from "./sae_attribution.ts";

/** Estimates that are off by more than this factor are wrong. */
const FACTOR = 2;

/** Whether two figures of one effect differ in sign, or by more than a factor of 2. */
export function differ(a: number, b: number): boolean {
  return a * b <= 0 || Math.abs(a) > FACTOR * Math.abs(b) || Math.abs(b) > FACTOR * Math.abs(a);
}

/** Whether a row differs so from its own second-order estimate; undefined where that is not known, or need not be. */
export function isDistrusted({ attribution, secondOrder, exact = false }: AttributionRow): boolean | undefined {
  if (secondOrder === undefined || exact) return undefined;
  return differ(attribution, secondOrder);
}
