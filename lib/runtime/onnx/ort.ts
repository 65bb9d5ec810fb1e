/**
 * A runtime on any provider of onnxruntime: the sessions that it has compiled, and what is fed to them.
 *
 * @module
 */
import type { InferenceSession, Tensor as OrtTensor } from "../../deps/onnxruntime_web.ts";
import { outputName, toOnnx } from "./encode.ts";
import { graphInputs, graphKey } from "../../graph/graph.ts";
import type { FloatType, Graph } from "../../graph/value.ts";
import { cached, makeGate } from "../../concurrency.ts";
import { OWN_MEMORY } from "../../weights/tensors/floats.ts";
import { type Constants, type Inputs, type Runtime, type Session, SLICE_BYTES } from "../runtime.ts";
import type { DeviceTensor, FloatTensor, Tensor, TensorData } from "../tensor.ts";

/** What of onnxruntime's module is used. */
export interface Ort {
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof OrtTensor;
}

/** What differs among providers. */
export interface Provider {
  /** Where it runs. */
  readonly device: Runtime["device"];
  /** The package that it is of. */
  readonly version: Runtime["version"];
  /** What computes; known once it has started. */
  account?(): string | undefined;
  /** How sessions are made. */
  readonly sessionOptions: InferenceSession.SessionOptions;
  /** The same, for sessions whose constants are compiled in. */
  readonly boundOptions?: InferenceSession.SessionOptions;
  /** Whether onnxruntime's own ops for processors are there. */
  readonly contribOps: boolean;
  /**
   * What becomes of constants: `compiled` into a session of their own, where onnxruntime packs them for its kernels
   * once; `placed` once and fed to a session that others share.
   */
  readonly constants: "compiled" | "placed";
  /** Loads onnxruntime, once. */
  start(): Promise<Ort>;
  /** A memory of its own in which it computes; by default that is ours. */
  readonly remote?: RemoteMemory;
}

/** The memory of a graphics processor. */
export interface RemoteMemory {
  /** The most bytes that a graph's input may have everywhere. */
  readonly inputBytes: number;
  /** Copies a tensor there. */
  place(tensor: FloatTensor): Promise<PlacedTensor>;
  /** Copies tensors from there, all at once. */
  read(tensors: readonly OrtTensor[]): Promise<Float32Array[]>;
}

/** A tensor where it is used from. */
export interface PlacedTensor {
  readonly tensor: OrtTensor;
  /** Gives its memory back. */
  release(): void;
}

/** onnxruntime-web's calls must not overlap: it answers a call with another's state. */
const ortCalls = makeGate(1);

/** A tensor in a device's memory, as onnxruntime has it. */
class OrtDeviceTensor implements DeviceTensor {
  readonly onDevice = true;
  readonly ort: OrtTensor;
  readonly #memory: RemoteMemory;

  constructor(ort: OrtTensor, memory: RemoteMemory) {
    this.ort = ort;
    this.#memory = memory;
    unreleased.register(this, ort, this);
  }

  get dims(): readonly number[] {
    return this.ort.dims;
  }

  async read(): Promise<FloatTensor> {
    const [data] = await ortCalls(() => this.#memory.read([this.ort]));
    return { dims: this.ort.dims, data };
  }

  release(): void {
    unreleased.unregister(this);
    disposeTensor(this.ort);
  }
}

/** A result keeps its pass, for whoever continues from it; what it held on the device is released when it is collected. */
const unreleased = new FinalizationRegistry(disposeTensor);

/** Releases a tensor's memory, between onnxruntime's calls. */
function disposeTensor(tensor: OrtTensor): void {
  ortCalls(async () => await tensor.dispose()).catch(() => {}); // the runtime has been disposed of, and all with it
}

interface Placed {
  readonly feeds: Readonly<Record<string, OrtTensor>>;
  release(): void;
}

/** Opens a runtime on a provider. */
export function createOrtRuntime(provider: Provider, dtype: FloatType = "float32"): Runtime {
  provider.start().catch(() => {}); // reported when a session is made
  const sessions = new Map<string, Promise<CompiledSession>>();
  /** Those whose constants are compiled in, by the constants' key. */
  const bound = new Map<string, Map<string, Promise<CompiledSession>>>();
  const placed = new Map<string, Promise<Placed>>();

  const compile = async (graph: Graph, constants?: Constants): Promise<CompiledSession> => {
    const ort = await provider.start();
    const taken = graphInputs(graph);
    const given = constants && provider.constants === "compiled"
      ? Object.fromEntries(Object.entries(await constants.load()).filter(([name]) => taken.has(name)))
      : {};
    const bytes = toOnnx(graph, { dtype, contribOps: provider.contribOps, external: dimsOf(given) });
    const options = constants ? { ...provider.sessionOptions, ...provider.boundOptions } : provider.sessionOptions;
    const externalData = Object.entries(given).map(([path, { data }]) => ({ path, data: bytesOf(data) }));
    const session = await ortCalls(() =>
      ort.InferenceSession.create(bytes, externalData.length > 0 ? { ...options, externalData } : options)
    );
    return new CompiledSession(ort, session, provider.remote);
  };

  const place = async (constants: Constants): Promise<Placed> => {
    const [ort, tensors] = [await provider.start(), await constants.load()];
    const entries: [string, PlacedTensor][] = [];
    for (const [name, tensor] of Object.entries(tensors)) {
      entries.push([name, await placeIn(ort, tensor, provider.remote)]);
    }
    return {
      feeds: Object.fromEntries(entries.map(([name, { tensor }]) => [name, tensor])),
      release: () => entries.forEach(([, { release }]) => release()),
    };
  };

  const forget = async (key: string): Promise<void> => {
    for (const [name, own] of bound) {
      if (!name.startsWith(key)) continue;
      bound.delete(name);
      for (const session of own.values()) await (await session).release();
    }
    for (const [name, constants] of placed) {
      if (!name.startsWith(key)) continue;
      placed.delete(name);
      (await constants).release();
    }
  };

  const dispose = async (): Promise<void> => {
    const open = [sessions, ...bound.values()].flatMap((map) => [...map.values()]);
    const constants = [...placed.values()];
    sessions.clear();
    bound.clear();
    placed.clear();
    for (const result of await Promise.allSettled(open)) {
      if (result.status === "fulfilled") await result.value.release();
    }
    for (const result of await Promise.allSettled(constants)) if (result.status === "fulfilled") result.value.release();
  };

  return {
    device: provider.device,
    version: provider.version,
    get account() {
      return provider.account?.();
    },
    memory: OWN_MEMORY,
    remote: provider.remote !== undefined,
    sliceBytes: provider.remote?.inputBytes ?? SLICE_BYTES,
    async session(graph, constants) {
      const key = graphKey(graph);
      if (constants && provider.constants === "compiled") {
        const own = bound.get(constants.key) ?? new Map<string, Promise<CompiledSession>>();
        bound.set(constants.key, own);
        return await cached(own, key, () => compile(graph, constants));
      }
      const session = await cached(sessions, key, () => compile(graph));
      if (!constants) return session;
      return session.with(await cached(placed, constants.key, () => place(constants)));
    },
    forget,
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

class CompiledSession implements Session {
  readonly #ort: Ort;
  readonly #session: InferenceSession;
  readonly #memory: RemoteMemory | undefined;
  readonly #fixed: Readonly<Record<string, OrtTensor>>;
  readonly inputNames: readonly string[];

  constructor(
    ort: Ort,
    session: InferenceSession,
    memory: RemoteMemory | undefined,
    fixed: Readonly<Record<string, OrtTensor>> = {},
  ) {
    this.#ort = ort;
    this.#session = session;
    this.#memory = memory;
    const names = session.inputNames;
    this.#fixed = Object.fromEntries(names.filter((name) => fixed[name]).map((name) => [name, fixed[name]]));
    this.inputNames = names.filter((name) => !fixed[name]);
  }

  /** The same session with some of its inputs given. */
  with({ feeds }: Placed): CompiledSession {
    return new CompiledSession(this.#ort, this.#session, this.#memory, feeds);
  }

  run(inputs: Inputs): Promise<Record<string, Tensor>>;
  run(inputs: Inputs, keep: readonly string[]): Promise<Record<string, Tensor | DeviceTensor>>;
  async run(inputs: Inputs, keep: readonly string[] = []): Promise<Record<string, Tensor | DeviceTensor>> {
    return await ortCalls(async () => {
      const placed: PlacedTensor[] = [];
      try {
        const feeds: Record<string, OrtTensor> = { ...this.#fixed };
        for (const [name, tensor] of Object.entries(inputs)) {
          if (tensor instanceof OrtDeviceTensor) feeds[name] = tensor.ort;
          else {
            placed.push(await placeIn(this.#ort, tensor as Tensor, this.#memory));
            feeds[name] = placed.at(-1)!.tensor;
          }
        }
        return await this.#collect(Object.entries(await this.#session.run(feeds)) as [string, OrtTensor][], keep);
      } finally {
        for (const { release } of placed) release();
      }
    });
  }

  /** Outputs under their own names, in our memory but for those to keep. */
  async #collect(
    outputs: readonly [string, OrtTensor][],
    keep: readonly string[],
  ): Promise<Record<string, Tensor | DeviceTensor>> {
    const found: Record<string, Tensor | DeviceTensor> = {};
    const remote: [string, OrtTensor][] = [];
    for (const [outName, tensor] of outputs) {
      const name = outName.slice(outputName("").length);
      if (tensor.location === "cpu") found[name] = { dims: tensor.dims, data: tensor.data as TensorData };
      else if (keep.includes(name)) found[name] = new OrtDeviceTensor(tensor, this.#memory!);
      else remote.push([name, tensor]);
    }
    if (remote.length > 0) {
      const read = await this.#memory!.read(remote.map(([, tensor]) => tensor));
      remote.forEach(([name, tensor], i) => {
        found[name] = { dims: tensor.dims, data: read[i] };
        tensor.dispose();
      });
    }
    return found;
  }

  /** Gives its memory back. */
  release(): Promise<void> {
    return ortCalls(() => this.#session.release());
  }
}

/** A tensor where graphs take it from; indices go through onnxruntime. */
function placeIn(ort: Ort, { dims, data }: Tensor, memory: RemoteMemory | undefined): Promise<PlacedTensor> {
  if (memory && data instanceof Float32Array && data.length > 0) return memory.place({ dims, data });
  return Promise.resolve({ tensor: toOrt(ort, { dims, data }), release: () => {} });
}

function toOrt({ Tensor }: Ort, { dims, data }: Tensor): OrtTensor {
  if (data instanceof Float32Array) return new Tensor("float32", data, dims);
  if (data instanceof Float64Array) return new Tensor("float64", data, dims);
  return new Tensor("int64", data, dims);
}

function dimsOf(tensors: Readonly<Record<string, Tensor>>): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { dims }]) => [name, dims]));
}

function bytesOf({ buffer, byteOffset, byteLength }: TensorData): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
