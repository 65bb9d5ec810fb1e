/**
 * The chain of stages — embed, block 0 … n−1, final norm — and the one executor that runs it forward and backward.
 * Between stages the residual stream is a plain `[batch, position, d_model]` tensor in our hands.
 *
 * @module
 */
import { makeGate } from "../../concurrency.ts";
import type { Architecture } from "../../../models/family.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";
import { runBackward } from "./backward.ts";
import { runForward } from "./forward.ts";
import {
  type BackwardOptions,
  beginPass,
  type ForwardRequest,
  type ForwardState,
  type GradientSeeds,
  lastBlockMaySkip,
  type Pass,
  type RerunOptions,
  type Stream,
} from "./pass.ts";
import { Stages, type WeightBinding } from "./stages.ts";

export type { WeightBinding } from "./stages.ts";
export type {
  BackwardOptions,
  ForwardRequest,
  ForwardState,
  GradientSeeds,
  PassOptions,
  Replacement,
  RerunOptions,
} from "./pass.ts";

/** Runs one model's stages. */
export class Chain {
  readonly #stages: Stages;
  readonly #passes = new WeakMap<ForwardState, Pass>();
  /** Passes share the layers' buffers. */
  readonly #onePass = makeGate(1);

  /**
   * Runs an architecture on weights.
   *
   * @param store has the model's tensors under the names that the architecture gives them
   * @param binding whether weights are read for every pass, or stay in the runtime's memory
   * @param onStage called before each stage; what it throws ends the pass
   */
  constructor(
    architecture: Architecture,
    store: TensorStore,
    runtime: Runtime,
    binding: WeightBinding = "streamed",
    onStage?: () => void,
  ) {
    this.#stages = new Stages(architecture, store, runtime, binding, onStage);
  }

  /**
   * Begins to read the first blocks' weights where none have been read: the system goes on reading while a prompt becomes
   * tokens, which keeps the event loop busy.
   */
  readAhead(): void {
    if (!this.#stages.isFresh) return;
    this.#onePass(() => Promise.resolve(this.#stages.readAhead())).catch(() => {}); // reported when a pass needs them
  }

  /**
   * Runs the model on prompts up to the final norm.
   *
   * @throws {RangeError} on a bad prompt or an unknown hook
   * @throws {Error} if a stage's output is NaN or infinite; the message names the stage
   */
  forward(request: ForwardRequest): Promise<ForwardState> {
    return this.#onePass(() => {
      const pass = beginPass(this.#stages.architecture, request);
      this.#stages.readAhead();
      return this.#run(pass, 0);
    });
  }

  /**
   * Goes on from the middle of a pass over one prompt, with other values at some hooks: copies of the prompt run as one
   * batch from the lowest replaced hook's stage upwards, never from the prompt. What the first pass replaced below that
   * stage stays; replacements from there on must be given again.
   *
   * @param copies how many; the values that replacements get and give are `[copies, position, …]`
   * @param options what is replaced; `changedFrom` spares what cannot have changed
   * @throws {RangeError} if the pass had more than one prompt, nothing is replaced, a hook lies below what is replaced,
   * or the pass did not keep that stage (`gradientsFrom`)
   */
  rerun(state: ForwardState, copies: number, { changedFrom, ...options }: RerunOptions): Promise<ForwardState> {
    return this.#onePass(() => {
      const from = this.#passOf(state);
      const { prompts, rows, processing } = from.request;
      if (prompts.length !== 1) throw new RangeError(`A pass over ${prompts.length} prompts cannot be gone on from`);
      const repeat = <T>([one]: readonly T[]): T[] => new Array<T>(copies).fill(one);
      const request = { prompts: repeat(prompts), rows: repeat(rows), processing, ...options };
      const pass = beginPass(this.#stages.architecture, request);
      const replaced = pass.hooks.filter(({ name }) => pass.replacedAt.has(name));
      if (replaced.length === 0) throw new RangeError("Nothing is replaced: give replacements");
      const start = Math.min(...replaced.map(({ stage }) => stage));
      const below = pass.hooks.find(({ stage }) => stage < start);
      if (below) throw new RangeError(`${below.name} comes before what is replaced: read it from the first pass`);
      const input = from.stageInputs.get(start);
      const isKept = start === this.#stages.last ? this.#stages.finalAtAll(from) : start === 0 || input !== undefined;
      if (!isKept) {
        const { name } = replaced.find(({ stage }) => stage === start)!;
        throw new RangeError(`The first pass did not keep what ${name} needs: name it in gradientsFrom`);
      }
      const fewer = changedFrom === undefined ? {} : this.#changes(from, pass, start, changedFrom);
      return this.#run({ ...pass, known: this.#known(from, pass, start), ...fewer }, start, input);
    });
  }

  /** What need not run where positions before `changedFrom` are as they were. */
  #changes(from: Pass, pass: Pass, start: number, changedFrom: number): Partial<Pass> {
    const { architecture } = this.#stages;
    const { rows: [rows], gradientsFrom = [] } = pass.request;
    // Other hooks want all positions, and so does what comes below.
    if (gradientsFrom.length > 0 || pass.hooks.some(({ stage }) => stage > start)) return {};
    const { hooks, input } = this.#stages.sessions.graph(this.#stages.key(pass, start));
    const isAtInput = pass.hooks.every(({ local }) => hooks[local] === input);
    const end = rows[rows.length - 1] + 1; // nothing after the last row is seen
    const first = Math.min(changedFrom, end - 1);
    const changed = Array.from({ length: end - first }, (_, i) => first + i);
    return {
      selectRows: lastBlockMaySkip(architecture, pass.request.rows, pass.hooks) && rows.length < pass.length,
      changes: {
        rows: new Array<number[]>(pass.request.prompts.length).fill(changed),
        stage: Math.max(1, isAtInput ? start : start + 1),
        inputs: from.stageInputs,
      },
    };
  }

  /** The first pass's values in the stage where another goes on, unless either changes them within the stage before. */
  #known(from: Pass, pass: Pass, start: number): ReadonlyMap<string, FloatTensor> {
    const { hooks, input } = this.#stages.sessions.graph(this.#stages.key(pass, start));
    const at = [...from.hooks, ...pass.hooks].filter(({ stage }) => stage === start);
    const isChanged = at.some(({ name, local }) =>
      from.deltas.has(name) || (pass.replacedAt.has(name) && hooks[local] === input)
    );
    const known = isChanged ? [] : at.filter(({ name }) => from.values.has(name));
    return new Map(known.map(({ name }) => [name, from.values.get(name)!]));
  }

  async #run(pass: Pass, start: number, input?: Stream): Promise<ForwardState> {
    const state = await runForward(this.#stages, pass, start, input);
    this.#passes.set(state, pass);
    return state;
  }

  /**
   * Gradients at hooks, from the gradient at the final norm's output.
   *
   * @param state a forward pass whose `gradientsFrom` named these hooks
   * @param gradient `[1, row, d_model]`; or seeds: gradients at hooks, to begin there instead. With `copies · batch`
   * rows in their first axis, as many gradients go back over each prompt at once
   * @returns by hook, the gradient with respect to the value that the rest of the model saw
   * @throws {RangeError} if the pass was not asked for gradients there
   */
  backward(
    state: ForwardState,
    gradient: FloatTensor | GradientSeeds,
    hooks: readonly string[],
    options: BackwardOptions = {},
  ): Promise<Map<string, FloatTensor>> {
    return this.#onePass(() => runBackward(this.#stages, this.#passOf(state), gradient, hooks, options));
  }

  /** Gives memory back that weights were read into, when no pass runs. */
  close(): Promise<void> {
    return this.#onePass(() => this.#stages.close());
  }

  #passOf(state: ForwardState): Pass {
    const pass = this.#passes.get(state);
    if (!pass) throw new TypeError("This state is not of a pass of this model");
    return pass;
  }
}
