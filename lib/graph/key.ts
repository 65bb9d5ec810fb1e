/**
 * What a graph computes, as text.
 *
 * @module
 */
import { type Graph, type Op, reachable } from "./value.ts";

const keys = new WeakMap<Graph, string>();

/**
 * A text that two graphs share exactly if they have the same ops on the same inputs, under the same names of inputs and
 * outputs. What compiles graphs keeps them by it.
 *
 * @example
 * ```ts
 * import { graphKey } from "./key.ts";
 * import { add, input, mul } from "./ops.ts";
 *
 * const x = input("x", [2]);
 * console.assert(graphKey({ y: add(x, 1) }) === graphKey({ y: add(x, 1) }));
 * console.assert(graphKey({ y: add(x, 1) }) !== graphKey({ y: mul(x, 1) }));
 * ```
 */
export function graphKey(graph: Graph): string {
  let key = keys.get(graph);
  if (key === undefined) keys.set(graph, key = describe(graph));
  return key;
}

function describe(graph: Graph): string {
  const values = reachable(Object.values(graph));
  const at = new Map(values.map((value, i) => [value, i]));
  const lines = values.map(({ op, inputs, shape, type }) =>
    `${describeOp(op)} ${inputs.map((value) => at.get(value)).join()} ${type} ${JSON.stringify(shape)}`
  );
  const outputs = Object.entries(graph).map(([name, value]) => `${JSON.stringify(name)} ${at.get(value)}`);
  return [...lines, ...outputs].join("\n");
}

/** JSON has neither −0 nor NaN and infinities. */
function describeOp(op: Op): string {
  if (op.kind !== "Constant") return JSON.stringify(op);
  return `Constant ${Object.is(op.value, -0) ? "-0" : op.value}`;
}
