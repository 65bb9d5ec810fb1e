/**
 * Reverse-mode differentiation: graph in, graph out.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../options.ts";
import { add } from "./ops.ts";
import { type Rule, RULES } from "./rules.ts";
import { reachable } from "./graph.ts";
import { type Role, showShape, type Value } from "./value.ts";

/** What to hold constant and what to differentiate differently, by role. */
export interface VjpOptions {
  /** Values of these roles are constants: no gradient passes through them. */
  readonly stop?: readonly Role[];
  /** These values are constants too. */
  readonly stopAt?: readonly Value[];
  /** Other rules for values of these roles. */
  readonly rules?: Readonly<Partial<Record<Role, Rule>>>;
}

const VJP_OPTIONS: OptionKinds<VjpOptions> = { stop: "list", stopAt: "list", rules: "any" };

/**
 * Vector–Jacobian product: the gradient of `Σ_i gradients[i] · outputs[i]` with respect to values of the same graph.
 * The result shares the forward values, so that encoding it computes what it needs of them once; it can be
 * differentiated again.
 *
 * @param outputs the values that are differentiated
 * @param gradients one per output, of its shape
 * @param wrt the values with respect to which; where one depends on another, its gradient flows on into the other's, as
 * the chain rule has it (to hold one fixed instead, cut the graph there with `sliceGraph`)
 * @param options roles at which gradients end, and roles with rules of their own. A stopped value that is itself in `wrt`
 * gets its gradient, which goes no further
 * @returns one gradient per `wrt`, of its shape; `undefined` where the outputs do not depend on it
 * @throws {TypeError} if there is not one gradient per output, of its output's shape
 *
 * @example d(x²)/dx = 2x
 * ```ts
 * import { input, mul } from "./ops.ts";
 * import { vjp } from "./vjp.ts";
 *
 * const x = input("x", ["position"]);
 * const [gradient] = vjp([mul(x, x)], [input("g", ["position"])], [x]);
 * console.assert(gradient?.op.kind === "Add"); // g·x + g·x
 * ```
 */
export function vjp(
  outputs: readonly Value[],
  gradients: readonly Value[],
  wrt: readonly Value[],
  options: VjpOptions = {},
): (Value | undefined)[] {
  checkOptions("vjp", options, VJP_OPTIONS);
  if (gradients.length !== outputs.length) {
    throw new TypeError(`${gradients.length} gradients for ${outputs.length} outputs`);
  }
  const stop = new Set<Role | Value>([...options.stop ?? [], ...options.stopAt ?? []]);
  const order = reachable(outputs);
  const dependent = dependents(order, wrt, stop);
  const adjoint = new Map<Value, Value>();
  const accumulate = (value: Value, gradient: Value): void => {
    const sum = adjoint.get(value);
    adjoint.set(value, sum ? add(sum, gradient) : gradient);
  };
  outputs.forEach((output, i) => {
    if (showShape(output.shape) !== showShape(gradients[i].shape)) {
      throw new TypeError(
        `A gradient of shape ${showShape(gradients[i].shape)} for an output of ${showShape(output.shape)}`,
      );
    }
    accumulate(output, gradients[i]);
  });
  for (const value of order.reverse()) {
    const gradient = adjoint.get(value);
    if (!gradient || !dependent.has(value) || isStopped(value, stop)) continue;
    const rule = (value.role && options.rules?.[value.role]) ?? RULES[value.op.kind] as Rule;
    rule(value as Parameters<Rule>[0], gradient).forEach((g, i) => {
      if (g && dependent.has(value.inputs[i])) accumulate(value.inputs[i], g);
    });
  }
  return wrt.map((value) => dependent.has(value) ? adjoint.get(value) : undefined);
}

type Stopped = ReadonlySet<Role | Value>;

function isStopped(value: Value, stop: Stopped): boolean {
  return stop.has(value) || (value.role !== undefined && stop.has(value.role));
}

/** The values whose gradient is needed: those that depend on a `wrt` value, not through a stopped one. */
function dependents(order: readonly Value[], wrt: readonly Value[], stop: Stopped): Set<Value> {
  const found = new Set<Value>(wrt);
  for (const value of order) {
    if (isStopped(value, stop)) continue;
    if (value.inputs.some((input) => found.has(input))) found.add(value);
  }
  return found;
}
