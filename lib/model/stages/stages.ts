/**
 * What the passes of one model share: its stages' sessions and weights, and what the stages are fed.
 *
 * @module
 */
import type { Architecture } from "../../../models/family.ts";
import type { Constants, Runtime, Session } from "../../runtime/runtime.ts";
import { type DeviceTensor, firstNonFinite, type FloatTensor, isOnDevice, type Tensor } from "../../runtime/tensor.ts";
import type { FloatMemory } from "../../weights/tensors/floats.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";
import { embeddingFeeds, positionalFeeds } from "./feeds.ts";
import { LayerWeights, readLayer, type Weights } from "../weights/layer_weights.ts";
import type { Feeds, Pass, PromptRows, Stream } from "./pass.ts";
import { type StageKey, StageSessions } from "./stage_sessions.ts";

/**
 * How weights come to the graphs: `streamed`, read layer by layer in every pass, so that two layers are in memory; or
 * `resident`, kept in the runtime's memory from the first pass on.
 */
export type WeightBinding = "streamed" | "resident";

let count = 0;

/** The stages of a model on its weights. */
export class Stages {
  /** The model. */
  readonly architecture: Architecture;
  /** Their graphs, compiled. */
  readonly sessions: StageSessions;
  readonly #store: TensorStore;
  readonly #layers: LayerWeights;
  readonly #resident: boolean;
  readonly #remote: boolean;
  readonly #memory: FloatMemory;
  readonly #number = ++count;
  readonly #onStage: () => void;
  #finalWeights: Promise<Weights> | undefined;
  /** Resident blocks whose weights have begun to be read, until a session asks for them. */
  readonly #coming = new Map<number, ReturnType<typeof readLayer>>();
  /** Resident stages whose weights have been asked for. */
  readonly #asked = new Set<number>();

  /**
   * @param store has the model's tensors under the names that the architecture gives them
   * @param binding whether weights are read for every pass, or stay in the runtime's memory
   * @param onStage called before each stage; what it throws ends the pass
   */
  constructor(
    architecture: Architecture,
    store: TensorStore,
    runtime: Runtime,
    binding: WeightBinding,
    onStage: () => void = () => {},
  ) {
    this.#onStage = onStage;
    this.architecture = architecture;
    this.sessions = new StageSessions(architecture, runtime, (stage) => this.#weights(stage));
    this.#store = store;
    this.#memory = runtime.memory;
    this.#remote = runtime.remote;
    this.#resident = binding === "resident";
    this.#layers = new LayerWeights(store, (layer) => architecture.blockWeights(layer), runtime.memory);
  }

  /** The final norm's number; 0 is the embedding. */
  get last(): number {
    return this.architecture.config.nLayers + 1;
  }

  /** Whether no block's weights have been read, or begun to be. */
  get isFresh(): boolean {
    return this.#layers.isEmpty && this.#coming.size + this.#asked.size === 0;
  }

  /** Begins to read the first two blocks' weights. */
  readAhead(): void {
    if (!this.#resident) return this.#layers.readAhead(0, this.architecture.config.nLayers > 1 ? 1 : undefined);
    this.#begin(1);
    this.#begin(2);
  }

  /** Begins to read a block's weights that will stay, the first time. */
  #begin(stage: number): void {
    if (stage >= this.last || this.#asked.has(stage) || this.#coming.has(stage)) return;
    const reading = this.#read(stage);
    reading.loading.catch(() => {}); // reported when the block is asked for
    this.#coming.set(stage, reading);
  }

  #read(stage: number): ReturnType<typeof readLayer> {
    const { architecture } = this;
    const refs = stage === this.last ? architecture.finalWeights() : architecture.blockWeights(stage - 1);
    return readLayer(this.#store, refs, this.#memory);
  }

  /** Gives memory back that weights were read into. */
  async close(): Promise<void> {
    const coming = [...this.#coming.values()];
    this.#coming.clear();
    await Promise.allSettled(coming.map(({ loading }) => loading));
    for (const { buffer } of coming) this.#memory.release(buffer);
    await this.#layers.close();
  }

  /** Which graph of a stage a pass runs. */
  key(pass: Pass, stage: number, deltas: readonly string[] = []): StageKey {
    const selectRows = this.rows(pass, stage) !== undefined;
    const isCached = pass.request.cache !== undefined && stage > 0 && stage < this.last;
    return { stage, processing: pass.request.processing, selectRows, isCached, deltas };
  }

  /** The rows at which a block runs its queries and MLP; undefined: all positions. */
  rows({ selectRows, request, changes }: Pass, stage: number): PromptRows | undefined {
    if (stage === this.last - 1) return selectRows ? request.rows : undefined;
    return changes && stage >= changes.stage && stage < this.last - 1 ? changes.rows : undefined;
  }

  /** A stage's weights, where they stay in the runtime's memory. */
  #weights(stage: number): Constants | undefined {
    if (!this.#resident || stage === 0) return undefined;
    const load = async (): Promise<Weights> => {
      const { buffer, loading } = this.#coming.get(stage) ?? this.#read(stage);
      this.#coming.delete(stage);
      this.#asked.add(stage);
      loading.catch(() => this.#memory.release(buffer));
      return await loading;
    };
    return { key: `model ${this.#number} stage ${stage}`, load };
  }

  /** Whether a pass looks at the final norm: then that runs at all positions, else at the rows only. */
  finalAtAll(pass: Pass): boolean {
    return pass.hooks.some(({ stage }) => stage === this.last);
  }

  /**
   * Whether the final norm takes the last block's output as it is; else the rows are taken out of it in our memory
   * first. Norms of all positions cost less than a read from a device's memory.
   */
  finalInPlace(pass: Pass): boolean {
    return this.finalAtAll(pass) || pass.selectRows || this.#remote;
  }

  /**
   * Everything that a stage's graphs may take.
   *
   * @param nextStage the weights of this one begin to be read
   */
  async feeds(pass: Pass, stage: number, resid?: Stream, nextStage?: number): Promise<Feeds> {
    this.#onStage();
    if (stage === 0) return await embeddingFeeds(this.architecture, this.#store, pass);
    if (this.#resident && nextStage !== undefined) this.#begin(nextStage);
    if (this.#resident) return { resid: resid!, ...(stage === this.last ? {} : this.#positional(pass, stage)) };
    if (stage === this.last) {
      this.#finalWeights ??= readLayer(this.#store, this.architecture.finalWeights()).loading;
      return { resid: resid!, ...await this.#finalWeights };
    }
    const isBlock = nextStage !== undefined && nextStage >= 1 && nextStage < this.last;
    const weights = await this.#layers.get(stage - 1, isBlock ? nextStage - 1 : undefined);
    return { ...weights, resid: resid!, ...this.#positional(pass, stage) };
  }

  #positional(pass: Pass, stage: number): Feeds {
    return positionalFeeds(this.architecture, pass, this.rows(pass, stage));
  }

  /** @throws {Error} if a stage's output is NaN or infinite */
  checkFinite(stage: number, { dims, data }: FloatTensor): void {
    const at = firstNonFinite(data);
    if (at < 0) return;
    const name = stage === 0 ? "the embedding" : stage === this.last ? "the final norm" : `block ${stage - 1}`;
    const position = Math.floor(at / dims[dims.length - 1]) % dims[1];
    throw new Error(
      `The output of ${name} is ${data[at]} at position ${position}: its weights are damaged or overflow`,
    );
  }
}

/** Runs a session with those of the tensors that it takes. */
export function runWith(
  session: Session,
  feeds: Readonly<Feeds>,
  keep: readonly string[] = [],
): Promise<Record<string, Tensor | DeviceTensor>> {
  return session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])), keep);
}

/** Gives back a device's memory, where the stream lies in one. */
export function release(stream: Stream | undefined): void {
  if (stream && isOnDevice(stream)) stream.release();
}
