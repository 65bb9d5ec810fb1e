/**
 * The rules of GIM (arXiv 2505.17630): what `vjp` takes for the roles of attention instead of derivatives.
 *
 * @module
 */
import { mul, reduceSum, softmax, sub } from "./ops.ts";
import { type Rule, RULES } from "./rules.ts";
import type { Node, Value } from "./value.ts";

/**
 * A softmax's gradient as if its temperature were another: with s = softmax(x / T), s · (g − Σ s · g).
 *
 * @throws {TypeError} the rule, if it is used for another op.
 *
 * @example
 * ```ts
 * import { input, softmax, withRole } from "./ops.ts";
 * import { softmaxAtTemperature } from "./gim.ts";
 * import { vjp } from "./vjp.ts";
 *
 * const scores = input("scores", ["query", "key"]);
 * const pattern = withRole(softmax(scores), "attention_pattern");
 * const rules = { attention_pattern: softmaxAtTemperature(2) };
 * const [gradient] = vjp([pattern], [input("g", ["query", "key"])], [scores], { rules });
 * console.assert(gradient?.shape.join() === "query,key");
 * ```
 */
export function softmaxAtTemperature(temperature: number): Rule {
  return ({ op, inputs: [x] }, g): readonly [Value] => {
    if (op.kind !== "Softmax") throw new TypeError(`The rule of a temperature is for Softmax, not for ${op.kind}`);
    const s = softmax(mul(x, 1 / temperature));
    return [mul(s, sub(g, reduceSum(mul(s, g), [-1])))];
  };
}

/**
 * A matrix product's gradients times a number for each operand.
 *
 * @throws {TypeError} the rule, if it is used for another op.
 *
 * @example
 * ```ts
 * import { input, matMul, withRole } from "./ops.ts";
 * import { scaledOperands } from "./gim.ts";
 * import { vjp } from "./vjp.ts";
 *
 * const [pattern, v] = [input("pattern", ["query", "key"]), input("v", ["key", 8])];
 * const z = withRole(matMul(pattern, v), "attention_mix");
 * const rules = { attention_mix: scaledOperands(1, 0.5) };
 * const [gradient] = vjp([z], [input("g", ["query", 8])], [v], { rules });
 * console.assert(gradient?.shape.join() === "key,8");
 * ```
 */
export function scaledOperands(first: number, second: number): Rule {
  return (y, g): readonly (Value | undefined)[] => {
    if (y.op.kind !== "MatMul") throw new TypeError(`The rule of scaled operands is for MatMul, not for ${y.op.kind}`);
    const [a, b] = RULES.MatMul(y as Node<"MatMul">, g);
    return [a && mul(a, first), b && mul(b, second)];
  };
}
