/**
 * The WebAssembly provider: graphs on our own kernels.
 *
 * @module
 */
import { cached } from "../concurrency.ts";
import { graphInputs, graphKey } from "../graph/graph.ts";
import type { Graph, Value } from "../graph/value.ts";
import type { FloatMemory } from "../weights/tensors/floats.ts";
import { VERSION } from "../version.ts";
import { Engine, openEngine } from "./kernels/engine.ts";
import { lower } from "./kernels/lower.ts";
import { canFuse } from "./kernels/module.ts";
import { plan, type Program } from "./kernels/plan.ts";
import { sizeOf } from "./kernels/views.ts";
import {
  type Constants,
  type Inputs,
  type Runtime,
  type RuntimeOptions,
  type Session,
  SLICE_BYTES,
} from "./runtime.ts";
import type { FloatTensor, Tensor } from "./tensor.ts";

/** Results differ in the last digits then. */
const ROUNDED = "products are rounded before they are added to, for there is no relaxed SIMD here";

const MAX_DEFAULT_THREADS = 4;
/** Programs that a session keeps, one per sizes of its inputs. */
const MAX_PROGRAMS = 16;

/** Starts the engine and its threads, if it has not been: the earlier the better. */
export async function startWasm(threads: number = defaultThreads()): Promise<Engine> {
  const engine = await openEngine();
  engine.grow(threads);
  return engine;
}

function defaultThreads(): number {
  return Math.min(MAX_DEFAULT_THREADS, globalThis.navigator?.hardwareConcurrency ?? 1);
}

/** Opens the wasm provider. */
export async function createWasmRuntime({ threads = defaultThreads() }: RuntimeOptions): Promise<Runtime> {
  const engine = await startWasm(threads);
  const sessions = new Map<string, KernelSession>();
  const placed = new Map<string, Promise<Record<string, FloatTensor>>>();

  /** Where arrays begin that were allocated and not given back. */
  const arrays = new Set<number>();
  const memory: FloatMemory = {
    allocate(length) {
      const array = engine.allocate(length);
      arrays.add(array.byteOffset);
      return array;
    },
    release(array) {
      if (engine.holds(array) && arrays.delete(array.byteOffset)) engine.release(array.byteOffset);
    },
  };

  const place = async (constants: Constants): Promise<Record<string, FloatTensor>> => {
    const loaded = await constants.load();
    const found: Record<string, FloatTensor> = {};
    try {
      for (const [name, { dims, data }] of Object.entries(loaded)) {
        const array = data as Float32Array;
        const own = engine.holds(array) ? array : memory.allocate(array.length);
        found[name] = { dims, data: own };
        if (own !== array) own.set(array);
      }
    } catch (error) {
      for (const { data } of [...Object.values(loaded), ...Object.values(found)]) memory.release(data as Float32Array);
      throw error;
    }
    return found;
  };

  const release = async (key: string): Promise<void> => {
    const constants = placed.get(key)!;
    placed.delete(key);
    const tensors: Record<string, FloatTensor> = await constants.catch(() => ({}));
    // Of arrays that are parts of one, the first gives back all.
    for (const { data } of Object.values(tensors)) memory.release(data);
  };

  const forget = async (prefix: string): Promise<void> => {
    for (const key of placed.keys()) if (key.startsWith(prefix)) await release(key);
  };

  const dispose = async (): Promise<void> => {
    for (const session of sessions.values()) session.release();
    sessions.clear();
    await forget("");
  };

  return {
    device: "wasm",
    ...(canFuse() ? {} : { account: ROUNDED }),
    version: ["sae-attribution", VERSION],
    memory,
    remote: false,
    sliceBytes: SLICE_BYTES,
    async session(graph, constants) {
      const key = graphKey(graph);
      let session = sessions.get(key);
      if (!session) {
        session = new KernelSession({ engine, graph, inputs: graphInputs(graph), threads, programs: new Map() });
        sessions.set(key, session);
      }
      if (!constants) return session;
      return session.with(await cached(placed, constants.key, () => place(constants)));
    },
    forget,
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

/** What sessions on one graph share. */
interface Shared {
  readonly engine: Engine;
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, Value>;
  readonly threads: number;
  /** By sizes and places of inputs; none any more when the runtime was disposed of. */
  programs: Map<string, Program> | undefined;
}

class KernelSession implements Session {
  readonly #shared: Shared;
  readonly #fixed: Readonly<Record<string, FloatTensor>>;
  readonly inputNames: readonly string[];

  constructor(shared: Shared, fixed: Readonly<Record<string, FloatTensor>> = {}) {
    this.#shared = shared;
    const names = [...shared.inputs.keys()];
    this.#fixed = Object.fromEntries(names.filter((name) => fixed[name]).map((name) => [name, fixed[name]]));
    this.inputNames = names.filter((name) => !fixed[name]);
  }

  /** Ends it, and what was made of it. */
  release(): void {
    this.#shared.programs = undefined;
  }

  /** The same session with some of its inputs given. */
  with(fixed: Readonly<Record<string, FloatTensor>>): KernelSession {
    return new KernelSession(this.#shared, fixed);
  }

  // Asynchronous like other devices, though all of it is done when it returns.
  // deno-lint-ignore require-await
  async run(inputs: Inputs): Promise<Record<string, Tensor>> {
    const given = { ...this.#fixed, ...inputs as Readonly<Record<string, Tensor>> };
    const { engine, threads } = this.#shared;
    return engine.run(this.#program(given), given, threads);
  }

  #check(name: string, tensor: Tensor | undefined): void {
    if (!tensor) throw new TypeError(`The graph's input '${name}' is missing`);
    const { type } = this.#shared.inputs.get(name)!;
    const { dims, data } = tensor;
    if (type === "float" ? !(data instanceof Float32Array) : !(data instanceof BigInt64Array)) {
      throw new TypeError(`The graph's input '${name}' is of ${data.constructor.name}, not of type ${type}`);
    }
    if (sizeOf(dims) !== data.length) {
      const shape = `[${dims.join(", ")}]`;
      throw new TypeError(`The graph's input '${name}' has ${data.length} elements, which do not fill ${shape}`);
    }
  }

  /** The program for inputs of these sizes, in these places. */
  #program(inputs: Readonly<Record<string, Tensor>>): Program {
    const { engine, graph, programs } = this.#shared;
    const names = [...this.#shared.inputs.keys()];
    for (const name of names) this.#check(name, inputs[name]);
    const inPlace = new Set(names.filter((name) => engine.holds(inputs[name].data)));
    const places = names.map((name) => `${name} ${inPlace.has(name)} ${inputs[name].dims}`).join("\n");
    if (!programs) throw new Error("This session's runtime was disposed of");
    const dims = Object.fromEntries(names.map((name) => [name, inputs[name].dims]));
    const make = (): Program => {
      const { target } = engine;
      const key = `${target.base}\n${places}`;
      const known = programs.get(key);
      if (known) return known;
      const program = plan(lower(graph, dims), { ...target, inPlace });
      if (programs.size >= MAX_PROGRAMS) programs.delete(programs.keys().next().value!);
      programs.set(key, program);
      return program;
    };
    const program = make();
    return engine.makeRoom(program) ? program : make();
  }
}
