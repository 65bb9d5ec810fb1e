/**
 * The rules of RelP (arXiv 2508.21258): what `vjp` takes for roles instead of derivatives.
 *
 * @module
 */
import { div, greater, mul, where } from "./ops.ts";
import { RULES } from "./rules.ts";
import type { Node, Value } from "./value.ts";

/**
 * Secant of an activation, act(x)/x, its derivative at 0 where x is 0: the rule of RelP (arXiv 2508.21258) for role
 * `activation`.
 *
 * @throws {TypeError} if it is used for another op.
 *
 * @example
 * ```ts
 * import { activation, input } from "./ops.ts";
 * import { activationSecant } from "./relp.ts";
 * import { vjp } from "./vjp.ts";
 *
 * const x = input("x", ["position"]);
 * const g = input("g", ["position"]);
 * const [gradient] = vjp([activation(x, "gelu_new")], [g], [x], { rules: { activation: activationSecant } });
 * console.assert(gradient?.shape.join() === "position");
 * ```
 */
export function activationSecant(y: Node, g: Value): readonly [Value] {
  const { inputs: [x], op } = y;
  if (op.kind !== "Activation") throw new TypeError(`The secant rule is for activations, not for ${op.kind}`);
  // Both comparisons: a square, as in x² > 0, would be 0 for a small x.
  const atZero = op.fn === "relu" ? 0 : 0.5;
  const secant = div(y, x);
  return [mul(g, where(greater(x, 0), secant, where(greater(0, x), secant, atZero)))];
}

/**
 * Half of each factor's gradient in a product a · b: the rule of RelP (arXiv 2508.21258) for role `gate`, with which
 * a · ∂/∂a + b · ∂/∂b is the product once, not twice.
 *
 * @throws {TypeError} if it is used for another op.
 *
 * @example
 * ```ts
 * import { input, mul, withRole } from "./ops.ts";
 * import { halvedProduct } from "./relp.ts";
 * import { vjp } from "./vjp.ts";
 *
 * const [a, b, g] = ["a", "b", "g"].map((name) => input(name, ["position"]));
 * const [gradient] = vjp([withRole(mul(a, b), "gate")], [g], [a], { rules: { gate: halvedProduct } });
 * console.assert(gradient?.shape.join() === "position"); // g · b / 2
 * ```
 */
export function halvedProduct(y: Node, g: Value): readonly (Value | undefined)[] {
  if (y.op.kind !== "Mul") throw new TypeError(`The rule of half a product is for Mul, not for ${y.op.kind}`);
  return RULES.Mul(y as Node<"Mul">, mul(0.5, g));
}
