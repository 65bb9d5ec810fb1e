/**
 * A graph as a whole: what it reaches, what it takes, and what it computes, as text.
 *
 * @module
 */
import type { Graph, Op, Value } from "./value.ts";

/**
 * The values that the roots reach, every value after its inputs.
 *
 * @example Count the nodes of a sum
 * ```ts
 * import { add, input } from "./ops.ts";
 * import { reachable } from "./graph.ts";
 *
 * const x = input("x", [2]);
 * console.assert(reachable([add(x, x)]).length === 2);
 * ```
 */
export function reachable(roots: readonly Value[]): Value[] {
  const order: Value[] = [];
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    for (const input of value.inputs) visit(input);
    order.push(value);
  };
  for (const root of roots) visit(root);
  return order;
}

/**
 * The inputs of a graph by name, in the order in which they are met.
 *
 * @example
 * ```ts
 * import { add, input } from "./ops.ts";
 * import { graphInputs } from "./graph.ts";
 *
 * const sum = add(input("x", ["position"]), input("y", ["position"]));
 * console.assert([...graphInputs({ sum }).keys()].join() === "x,y");
 * ```
 *
 * @throws {TypeError} if two different inputs have one name.
 */
export function graphInputs(graph: Graph): Map<string, Value> {
  const inputs = new Map<string, Value>();
  for (const value of reachable(Object.values(graph))) {
    if (value.op.kind !== "Input") continue;
    const other = inputs.get(value.op.name);
    if (other && other !== value) throw new TypeError(`Two different graph inputs are named "${value.op.name}"`);
    inputs.set(value.op.name, value);
  }
  return inputs;
}

const keys = new WeakMap<Graph, string>();

/**
 * A text that two graphs share exactly if they have the same ops on the same inputs, under the same names of inputs and
 * outputs. What compiles graphs keeps them by it.
 *
 * @example
 * ```ts
 * import { graphKey } from "./graph.ts";
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
