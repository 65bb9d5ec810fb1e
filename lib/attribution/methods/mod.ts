/**
 * The methods of attribution by name. A method is one file, which names its paper, its formula, and what it is not.
 *
 * @module
 */
import { ablation } from "./ablation.ts";
import { frozenPattern } from "./frozen_pattern.ts";
import { frozenNorms } from "./frozen_norms.ts";
import { gim } from "./gim.ts";
import { gradient } from "./gradient.ts";
import { integratedGradients } from "./integrated_gradients.ts";
import type { Method } from "./method.ts";
import { METHOD_NAMES, type MethodName } from "./names.ts";
import { relp } from "./relp.ts";
import { relpNoAhRule } from "./relp_no_ah_rule.ts";

export type { Method } from "./method.ts";
export { METHOD_NAMES, type MethodName } from "./names.ts";

const METHODS: Readonly<Record<MethodName, Method>> = {
  gradient,
  "frozen-pattern": frozenPattern,
  relp,
  "relp-no-ah-rule": relpNoAhRule,
  "integrated-gradients": integratedGradients,
  "frozen-norms": frozenNorms,
  gim,
  ablation,
};

/**
 * The method of a name.
 *
 * @throws {RangeError} if there is none
 *
 * @example
 * ```ts
 * import { findMethod } from "./mod.ts";
 *
 * console.assert(findMethod("relp").vjp.stop?.includes("attention_pattern"));
 * ```
 */
export function findMethod(name: MethodName): Method {
  if (!Object.hasOwn(METHODS, name)) {
    throw new RangeError(`Unknown method "${name}": choose one of ${METHOD_NAMES.join(", ")}`);
  }
  return METHODS[name];
}
