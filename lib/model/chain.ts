/**
 * The chain of stages — embed, block 0 … n−1, final norm — and the one executor that runs it forward and backward.
 * Between stages the residual stream is a plain `[batch, position, d_model]` tensor in our hands.
 *
 * @module
 */
import type { Architecture, Processing } from "../../models/family.ts";
import type { VjpOptions } from "../graph/mod.ts";
import { Mutex } from "../runtime/mutex.ts";
import type { Runtime, Session } from "../runtime/runtime.ts";
import { firstNonFinite, type FloatTensor, type Tensor } from "../runtime/tensor.ts";
import type { TensorStore } from "../weights/tensors.ts";
import { findHook, type HookPoint } from "./hooks.ts";
import { LayerWeights, readLayer, type Weights } from "./layer_weights.ts";
import { additiveMask, gatherRows, rotaryTables, scatterRows, selectionMatrix } from "./rows.ts";
import { deltaName, GRADIENT, INPUT_GRADIENT, OUTPUT, type StageKey, StageSessions } from "./stage_sessions.ts";

/** What takes the place of a hook's value in a forward pass. */
export interface Replacement {
  /** Where. */
  readonly hook: string;
  /** Other hooks, before this one, that it needs. */
  readonly reads?: readonly string[];
  /** The new value, of the same shape, from the values of `hook` and `reads`. */
  replace(values: ReadonlyMap<string, FloatTensor>): Promise<FloatTensor>;
}

/** A forward pass. */
export interface ForwardRequest {
  /** Token ids, BOS included if there is one. */
  readonly tokens: readonly number[];
  /** In which form of the model. */
  readonly processing: Processing;
  /** Hooks whose values are wanted. */
  readonly reads?: readonly string[];
  /** At most one per hook. */
  readonly replacements?: readonly Replacement[];
  /** The lowest hook that a backward pass will ask for. */
  readonly gradientsFrom?: readonly string[];
  /** Positions, ascending, at which the final norm's output is wanted. */
  readonly rows: readonly number[];
}

/** What a forward pass leaves behind; `backward` goes back over it. */
export interface ForwardState {
  /** What was asked. */
  readonly request: ForwardRequest;
  /** Hook values, after replacements: what the rest of the model saw. */
  readonly values: ReadonlyMap<string, FloatTensor>;
  /** The final norm's output at `rows`, `[1, row, d_model]`: what the unembedding reads. */
  readonly final: FloatTensor;
  /** Inputs of the stages from the lowest that backward may need. */
  readonly stageInputs: ReadonlyMap<number, FloatTensor>;
  /** What replacements within blocks added to their values. */
  readonly deltas: ReadonlyMap<string, FloatTensor>;
  /** The last block ran its queries and MLP at `rows` only. */
  readonly selectRows: boolean;
}

/** In prompts up to this length, graphs of its own for the last block cost more than the rows that they save. */
const MIN_ROWS_TO_SELECT = 32;

interface Pass extends ForwardState {
  readonly values: Map<string, FloatTensor>;
  readonly stageInputs: Map<number, FloatTensor>;
  readonly deltas: Map<string, FloatTensor>;
  readonly hooks: readonly HookPoint[];
  readonly replacedAt: ReadonlyMap<string, Replacement>;
  /** Masks and rotary positions, for all positions (false) and with queries at the rows only (true). */
  readonly positional: Map<boolean, Feeds>;
}

/** Runs one model's stages. */
export class Chain {
  readonly #architecture: Architecture;
  readonly #store: TensorStore;
  readonly #sessions: StageSessions;
  readonly #layers: LayerWeights;
  #finalWeights: Promise<Weights> | undefined;
  /** Passes share the two layer buffers. */
  readonly #onePass = new Mutex();

  /**
   * Runs an architecture on weights.
   *
   * @param store has the model's tensors under the names that the architecture gives them
   */
  constructor(architecture: Architecture, store: TensorStore, runtime: Runtime) {
    this.#architecture = architecture;
    this.#store = store;
    this.#sessions = new StageSessions(architecture, runtime);
    this.#layers = new LayerWeights(store, (layer) => architecture.blockWeights(layer));
  }

  /**
   * Runs the model on one prompt up to the final norm.
   *
   * @throws {RangeError} on an unknown hook
   * @throws {Error} if a stage's output is NaN or infinite; the message names the stage
   */
  forward(request: ForwardRequest): Promise<ForwardState> {
    return this.#onePass.run(() => this.#forward(request));
  }

  async #forward(request: ForwardRequest): Promise<ForwardState> {
    const { nLayers } = this.#architecture.config;
    const pass = this.#begin(request);
    const lowest = Math.min(...(request.gradientsFrom ?? []).map((name) => findHook(this.#architecture, name).stage));
    this.#layers.get(0).catch(() => {}); // begins to read while the embedding runs
    let resid = await this.#runStage(pass, 0, undefined);
    for (let stage = 1; stage <= nLayers; stage++) {
      resid = await this.#runStage(pass, stage, resid);
      if (stage < lowest) pass.stageInputs.delete(stage);
    }
    const rowsAfter = pass.selectRows || this.#readsFinal(pass);
    const final = await this.#runStage(pass, nLayers + 1, rowsAfter ? resid : gatherRows(resid, request.rows));
    const atRows = this.#readsFinal(pass) ? gatherRows(final, request.rows) : final;
    return { ...pass, final: atRows };
  }

  /**
   * Gradients at hooks, from the gradient at the final norm's output.
   *
   * @param state a forward pass whose `gradientsFrom` named these hooks
   * @param gradient `[1, row, d_model]`
   * @returns by hook, the gradient with respect to the value that the rest of the model saw
   */
  backward(
    state: ForwardState,
    gradient: FloatTensor,
    hooks: readonly string[],
    options: VjpOptions = {},
  ): Promise<Map<string, FloatTensor>> {
    return this.#onePass.run(() => this.#backward(state as Pass, gradient, hooks, options));
  }

  async #backward(
    pass: Pass,
    gradient: FloatTensor,
    hooks: readonly string[],
    options: VjpOptions,
  ): Promise<Map<string, FloatTensor>> {
    const unknown = hooks.find((name) => !pass.values.has(name) || !(pass.request.gradientsFrom ?? []).includes(name));
    if (unknown !== undefined) throw new RangeError(`The forward pass was not asked for gradients at ${unknown}`);
    const points = hooks.map((name) => findHook(this.#architecture, name));
    const lowest = Math.min(...points.map(({ stage }) => stage));
    const { nLayers } = this.#architecture.config;
    const { tokens, rows } = pass.request;
    const found = new Map<string, FloatTensor>();
    const finalAtAll = this.#readsFinal(pass);
    let g = finalAtAll ? scatterRows(gradient, rows, tokens.length) : gradient;
    for (let stage = nLayers + 1; stage >= lowest; stage--) {
      const wanted = points.filter((point) => point.stage === stage);
      const below = await this.#backStage(pass, stage, g, wanted, found, stage > lowest, options);
      if (stage === lowest) break;
      g = stage === nLayers + 1 && !finalAtAll && !pass.selectRows ? scatterRows(below!, rows, tokens.length) : below!;
    }
    return found;
  }

  #begin(request: ForwardRequest): Pass {
    const { nLayers, nCtx } = this.#architecture.config;
    const { tokens, rows } = request;
    if (tokens.length === 0) throw new RangeError("The prompt has no tokens: give some text, or prepend BOS");
    if (tokens.length > nCtx) throw new RangeError(`${tokens.length} tokens do not fit the model's context of ${nCtx}`);
    const wrong = rows.find((row, i) =>
      !Number.isInteger(row) || row < 0 || row >= tokens.length || row <= rows[i - 1]
    );
    if (wrong !== undefined || rows.length === 0) {
      throw new RangeError(
        `The rows [${rows.join(", ")}] are not ascending positions of a prompt of ${tokens.length} tokens`,
      );
    }
    const replacements = request.replacements ?? [];
    const twice = replacements.find(({ hook }, i) => replacements.findIndex((r) => r.hook === hook) < i);
    if (twice) throw new RangeError(`Two replacements at ${twice.hook}: give one`);
    const names = [
      ...request.reads ?? [],
      ...request.gradientsFrom ?? [],
      ...replacements.flatMap((r) => [r.hook, ...r.reads ?? []]),
    ];
    const hooks = [...new Set(names)].map((name) => findHook(this.#architecture, name));
    return {
      request,
      hooks,
      values: new Map(),
      stageInputs: new Map(),
      deltas: new Map(),
      positional: new Map(),
      final: { dims: [], data: new Float32Array() },
      replacedAt: new Map(replacements.map((r) => [r.hook, r])),
      // Only the boundary at the last block's input may be looked at, if the block is to skip rows.
      selectRows: tokens.length > MIN_ROWS_TO_SELECT && rows.length * 2 <= tokens.length &&
        hooks.every(({ stage, local }) => stage < nLayers || (stage === nLayers && local === "hook_resid_pre")),
    };
  }

  /** One stage: replacements at its input, inside, and at its output; hook values; the next stage's input. */
  async #runStage(pass: Pass, stage: number, resid: FloatTensor | undefined): Promise<FloatTensor> {
    const points = pass.hooks.filter((point) => point.stage === stage);
    const key = this.#key(pass, stage, []);
    const graph = this.#sessions.graph(key);
    const at = (point: HookPoint): "input" | "output" | "inside" =>
      graph.hooks[point.local] === graph.input
        ? "input"
        : graph.hooks[point.local] === graph.output
        ? "output"
        : "inside";
    let input = resid;
    for (const point of points.filter((p) => at(p) === "input")) {
      pass.values.set(point.name, input!);
      input = await this.#replaced(pass, point, input!);
    }
    if (input) pass.stageInputs.set(stage, input);
    const inside = points.filter((p) => at(p) === "inside");
    const reads = inside.map(({ local }) => local);
    const feeding = this.#feeds(pass, stage, input, stage + 1);
    feeding.catch(() => {}); // reported when it is awaited
    if (!inside.some(({ name }) => pass.replacedAt.has(name))) await this.#sessions.forward(key, reads, true); // meanwhile
    const feeds = await feeding;
    const deltas = await this.#insideDeltas(pass, stage, inside, feeds);
    const session = await this.#sessions.forward(this.#key(pass, stage, deltas), reads, true);
    const outputs = await runWith(session, feeds);
    for (const { name, local } of inside) pass.values.set(name, outputs[local] as FloatTensor);
    let output = outputs[OUTPUT] as FloatTensor;
    for (const point of points.filter((p) => at(p) === "output")) {
      pass.values.set(point.name, output);
      output = await this.#replaced(pass, point, output);
    }
    this.#checkFinite(stage, output);
    return output;
  }

  /** Finds the deltas of a stage's inner replacements, one run up to each. */
  async #insideDeltas(pass: Pass, stage: number, inside: readonly HookPoint[], feeds: Feeds): Promise<string[]> {
    const deltas: string[] = [];
    const order = Object.keys(this.#sessions.graph(this.#key(pass, stage, [])).hooks);
    const replaced = inside.filter(({ name }) => pass.replacedAt.has(name))
      .sort((a, b) => order.indexOf(a.local) - order.indexOf(b.local));
    for (const point of replaced) {
      const needed = inside.filter(({ name }) => pass.replacedAt.get(point.name)!.reads?.includes(name));
      const reads = [...new Set([point, ...needed].map(({ local }) => local))];
      const session = await this.#sessions.forward(this.#key(pass, stage, deltas), reads, false);
      const outputs = await runWith(session, feeds);
      for (const { name, local } of [point, ...needed]) pass.values.set(name, outputs[local] as FloatTensor);
      const value = outputs[point.local] as FloatTensor;
      const replacement = await this.#replaced(pass, point, value);
      const delta = { dims: value.dims, data: value.data.map((x, i) => replacement.data[i] - x) };
      pass.deltas.set(point.name, delta);
      feeds[deltaName(point.local)] = delta;
      deltas.push(point.local);
    }
    return deltas;
  }

  /** The value that goes on from a hook: the replacement where there is one. */
  async #replaced(pass: Pass, { name }: HookPoint, value: FloatTensor): Promise<FloatTensor> {
    const replacing = pass.replacedAt.get(name);
    if (!replacing) return value;
    const later = replacing.reads?.find((hook) => !pass.values.has(hook));
    if (later !== undefined) {
      throw new RangeError(`The replacement at ${name} cannot read ${later}, which comes after it`);
    }
    const replacement = await replacing.replace(pass.values);
    if (replacement.data.length !== value.data.length) {
      throw new RangeError(
        `The replacement at ${name} has ${replacement.data.length} elements, not ${value.data.length}`,
      );
    }
    const shaped = { dims: value.dims, data: replacement.data };
    pass.values.set(name, shaped);
    return shaped;
  }

  async #backStage(
    pass: Pass,
    stage: number,
    gradient: FloatTensor,
    wanted: readonly HookPoint[],
    found: Map<string, FloatTensor>,
    throughInput: boolean,
    options: VjpOptions,
  ): Promise<FloatTensor | undefined> {
    const replaced = pass.hooks.filter((p) => p.stage === stage && pass.deltas.has(p.name));
    const key = this.#key(pass, stage, replaced.map(({ local }) => local));
    const { hooks, input } = this.#sessions.graph(key);
    const isInput = ({ local }: HookPoint): boolean => hooks[local] === input;
    const inside = wanted.filter((point) => !isInput(point)).map(({ local }) => local);
    const session = await this.#sessions.backward(key, inside, throughInput || wanted.some(isInput), options);
    const feeds = await this.#feeds(pass, stage, pass.stageInputs.get(stage), throughInput ? stage - 1 : undefined);
    for (const { name, local } of replaced) feeds[deltaName(local)] = pass.deltas.get(name)!;
    const outputs = await runWith(session, { ...feeds, [GRADIENT]: gradient });
    for (const point of wanted) {
      // Absent: the metric does not depend on it.
      const g = outputs[isInput(point) ? INPUT_GRADIENT : point.local] as FloatTensor | undefined;
      const value = pass.values.get(point.name)!;
      found.set(point.name, g ?? { dims: value.dims, data: new Float32Array(value.data.length) });
    }
    return outputs[INPUT_GRADIENT] as FloatTensor | undefined;
  }

  /** Everything that a stage's graphs may take; the weights of the stage that comes next begin to be read. */
  async #feeds(pass: Pass, stage: number, resid: FloatTensor | undefined, nextStage?: number): Promise<Feeds> {
    const { nLayers } = this.#architecture.config;
    const { tokens, rows } = pass.request;
    if (stage === 0) return await this.#embeddingRows(tokens);
    if (stage > nLayers) {
      this.#finalWeights ??= readLayer(this.#store, this.#architecture.finalWeights()).loading;
      return { resid: resid!, ...await this.#finalWeights };
    }
    const next = nextStage !== undefined && nextStage >= 1 && nextStage <= nLayers ? nextStage - 1 : undefined;
    const weights = await this.#layers.get(stage - 1, next);
    const selected = this.#key(pass, stage, []).selectRows ? rows : undefined;
    return { ...weights, resid: resid!, ...this.#positional(pass, selected) };
  }

  /** What blocks take beside weights and stream: the same at every layer, so made once per pass. */
  #positional(pass: Pass, rows?: readonly number[]): Feeds {
    const n = pass.request.tokens.length;
    const made = pass.positional.get(rows !== undefined);
    if (made) return made;
    const feeds: Feeds = {};
    for (const [name, spec] of Object.entries(this.#architecture.masks)) feeds[name] = additiveMask(n, spec, rows);
    for (const [name, spec] of Object.entries(this.#architecture.rotary)) {
      const { cos, sin } = rotaryTables(n, spec);
      feeds[`${name}:cos`] = cos;
      feeds[`${name}:sin`] = sin;
    }
    if (rows) feeds.rows = selectionMatrix(rows, n);
    pass.positional.set(rows !== undefined, feeds);
    return feeds;
  }

  async #embeddingRows(tokens: readonly number[]): Promise<Feeds> {
    const { config: { dModel, dVocab }, embedding } = this.#architecture;
    const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= dVocab);
    if (wrong !== undefined) throw new RangeError(`Token id ${wrong} is not in the vocabulary of ${dVocab}`);
    const unique = [...new Set(tokens)].sort((a, b) => a - b);
    const at = new Map(unique.map((id, i) => [id, i]));
    const rows = await this.#store.readRows(embedding.tokens.name, unique);
    const data = new Float32Array(tokens.length * dModel);
    tokens.forEach((id, p) => data.set(rows.subarray(at.get(id)! * dModel, (at.get(id)! + 1) * dModel), p * dModel));
    const dims = [1, tokens.length, dModel];
    const feeds: Feeds = { tokens: { dims, data } };
    if (embedding.positions) {
      feeds.positions = { dims, data: await this.#store.readRowRange(embedding.positions.name, 0, tokens.length) };
    }
    return feeds;
  }

  #key(pass: Pass, stage: number, deltas: readonly string[]): StageKey {
    const selectRows = pass.selectRows && stage === this.#architecture.config.nLayers;
    return { stage, processing: pass.request.processing, selectRows, deltas };
  }

  #readsFinal(pass: Pass): boolean {
    return pass.hooks.some(({ stage }) => stage > this.#architecture.config.nLayers);
  }

  #checkFinite(stage: number, { dims, data }: FloatTensor): void {
    const at = firstNonFinite(data);
    if (at < 0) return;
    const { nLayers } = this.#architecture.config;
    const name = stage === 0 ? "the embedding" : stage > nLayers ? "the final norm" : `block ${stage - 1}`;
    const position = Math.floor(at / dims[dims.length - 1]) % dims[1];
    throw new Error(
      `The output of ${name} is ${data[at]} at position ${position}: its weights are damaged or overflow`,
    );
  }
}

type Feeds = Record<string, Tensor>;

/** Runs a session with those of the tensors that it takes. */
function runWith(session: Session, feeds: Readonly<Feeds>): Promise<Record<string, Tensor>> {
  return session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])));
}
