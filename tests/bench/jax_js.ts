/** The JavaScript peer: graphs in @jax-js/onnx. */
import { toOnnx } from "../../lib/runtime/onnx/encode.ts";
import type { Dim, Graph, Shape, Value } from "../../lib/graph/value.ts";
import type { FloatTensor } from "../../lib/runtime/tensor.ts";

/** An array; a function that is given one gives it back, so `ref` is what one hands over and keeps. */
interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
}

type JaxFunction = (inputs: Record<string, JaxArray>) => Record<string, JaxArray>;

interface Jax {
  init(): Promise<readonly string[]>;
  defaultDevice(device: string): void;
  jit(run: JaxFunction): JaxFunction;
  readonly numpy: { array(data: Float32Array): JaxArray };
  readonly ONNXModel: new (bytes: Uint8Array) => { readonly run: JaxFunction };
}

/**
 * A graph with one output, compiled on its WebAssembly backend, as a function that runs it.
 *
 * @param sizes what the graph's symbols stand for
 */
export async function compileJax(
  graph: Graph,
  sizes: Readonly<Record<string, number>>,
  feeds: Readonly<Record<string, FloatTensor>>,
): Promise<() => Promise<Float32Array>> {
  const jax: Jax = await import(new URL("deps.ts", import.meta.url).href);
  await jax.init();
  jax.defaultDevice("wasm");
  const run = jax.jit(new jax.ONNXModel(toOnnx(withSizes(graph, sizes), { dtype: "float32" })).run);
  const arrays = Object.entries(feeds).map(([name, { dims, data }]): [string, JaxArray] => [
    name,
    jax.numpy.array(data).reshape(dims),
  ]);
  return async () => {
    const [output] = Object.values(run(Object.fromEntries(arrays.map(([name, array]) => [name, array.ref]))));
    return await output.data();
  };
}

/** It has threads where there is shared memory, which Deno has; without it, one thread. */
export function hideSharedMemory(): void {
  Object.defineProperty(globalThis, "SharedArrayBuffer", { value: undefined });
}

/** The graph with numbers for symbols: it cannot take a dimension over from the input of a reshape. */
function withSizes(graph: Graph, sizes: Readonly<Record<string, number>>): Graph {
  const fixed = (shape: Shape): Shape => shape.map((dim: Dim) => typeof dim === "number" ? dim : sizes[dim]);
  const done = new Map<Value, Value>();
  const rebuild = (value: Value): Value => {
    const { op, inputs, shape } = value;
    const made = done.get(value) ?? {
      ...value,
      op: op.kind === "Reshape" ? { ...op, shape: fixed(op.shape) } : op,
      inputs: inputs.map(rebuild),
      shape: fixed(shape),
    };
    done.set(value, made);
    return made;
  };
  return Object.fromEntries(Object.entries(graph).map(([name, value]) => [name, rebuild(value)]));
}
