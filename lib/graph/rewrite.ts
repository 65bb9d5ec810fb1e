/**
 * Graphs derived from a graph: parts of it, and the same with a value replaced.
 *
 * @module
 */
import { add, input } from "./ops.ts";
import { type Graph, type Value } from "./value.ts";

/** The graph with some values exchanged for others; whatever used the old value uses the new one. */
function substitute(graph: Graph, replacements: ReadonlyMap<Value, Value>): Graph {
  const done = new Map<Value, Value>(replacements);
  const rebuild = (value: Value): Value => {
    const known = done.get(value);
    if (known) return known;
    const inputs = value.inputs.map(rebuild);
    const same = inputs.every((v, i) => v === value.inputs[i]);
    const result = same ? value : { ...value, inputs };
    done.set(value, result);
    return result;
  };
  return Object.fromEntries(Object.entries(graph).map(([name, value]) => [name, rebuild(value)]));
}

/**
 * The part of a graph between given values: `from` become inputs of those names, `to` are the outputs.
 * Inputs of the graph that are still needed stay inputs.
 *
 * @example Start in the middle
 * ```ts
 * import { input, mul, relu } from "./ops.ts";
 * import { sliceGraph } from "./rewrite.ts";
 * import { graphInputs } from "./graph.ts";
 *
 * const middle = mul(input("x", ["position"]), 2);
 * const rest = sliceGraph({ middle }, { y: relu(middle) });
 * console.assert([...graphInputs(rest).keys()].join() === "middle");
 * ```
 */
export function sliceGraph(from: Graph, to: Graph): Graph {
  const cut = Object.entries(from).map(([name, v]): [Value, Value] => [v, input(name, v.shape, v.type)]);
  return substitute(to, new Map(cut));
}

/**
 * The graph with `Add(value, delta)` in the place of each given value, `delta` a new input with the given name.
 * With delta = replacement − value this puts a replacement at a hook, and gradients pass straight through.
 *
 * @example
 * ```ts
 * import { input, relu } from "./ops.ts";
 * import { addDeltas } from "./rewrite.ts";
 * import { graphInputs } from "./graph.ts";
 *
 * const x = relu(input("x", ["position"]));
 * const steered = addDeltas({ y: relu(x) }, { "x.delta": x });
 * console.assert([...graphInputs(steered).keys()].join() === "x,x.delta");
 * ```
 */
export function addDeltas(graph: Graph, deltas: Graph): Graph {
  let result: Graph = { ...graph };
  let pending: Graph = { ...deltas };
  for (const name of Object.keys(deltas)) {
    const value = pending[name];
    const shifted = add(value, input(name, value.shape));
    const replaced = substitute({ ...prefixed("g", result), ...prefixed("d", pending) }, new Map([[value, shifted]]));
    result = Object.fromEntries(Object.keys(result).map((key) => [key, replaced[`g${key}`]]));
    pending = Object.fromEntries(Object.keys(pending).map((key) => [key, replaced[`d${key}`]]));
  }
  return result;
}

function prefixed(prefix: string, graph: Graph): Graph {
  return Object.fromEntries(Object.entries(graph).map(([key, value]) => [prefix + key, value]));
}

/**
 * The graph with one axis only where it is needed: in the inputs of some names the symbol stays, in all others it is 1, and
 * what is made of both broadcasts. So that many gradients go back over one prompt, whose own values are computed once.
 *
 * @param symbol a dimension that no op adds up over
 *
 * @example
 * ```ts
 * import { input, mul } from "./ops.ts";
 * import { alongOnly } from "./rewrite.ts";
 *
 * const [x, g] = [input("x", ["batch", 4]), input("g", ["batch", 4])];
 * const { y, z } = alongOnly({ y: mul(x, x), z: mul(g, x) }, "batch", ["g"]);
 * console.assert(y.shape.join() === "1,4" && z.shape.join() === "batch,4");
 * ```
 */
export function alongOnly(graph: Graph, symbol: string, names: readonly string[]): Graph {
  const done = new Map<Value, Value>();
  const rebuild = (value: Value): Value => {
    const known = done.get(value);
    if (known) return known;
    const { op } = value;
    const inputs = value.inputs.map(rebuild);
    const stays = op.kind === "Input" ? names.includes(op.name) : inputs.some(({ shape }) => shape.includes(symbol));
    const shape = stays ? value.shape : value.shape.map((dim) => dim === symbol ? 1 : dim);
    const result = { ...value, inputs, shape, op: op.kind === "Reshape" ? { ...op, shape } : op };
    done.set(value, result);
    return result;
  };
  return Object.fromEntries(Object.entries(graph).map(([name, value]) => [name, rebuild(value)]));
}
