/**
 * What a pass through a model is asked for, and what it leaves behind.
 *
 * @module
 */
import type { Architecture, Processing } from "../../../models/family.ts";
import type { Role, VjpOptions } from "../../graph/mod.ts";
import type { DeviceTensor, FloatTensor, Tensor } from "../../runtime/tensor.ts";
import { findHook, type HookPoint } from "../hooks.ts";
import type { KeyValueCache } from "./key_value_cache.ts";
import { isSameRotary } from "./rotary.ts";

/** The residual stream between stages, `[batch, position, d_model]`, in our memory or a device's. */
export type Stream = FloatTensor | DeviceTensor;

/** Tensors by the name of the graph input that takes them. */
export type Feeds = Record<string, Tensor | DeviceTensor>;

/** What takes the place of a hook's value in a forward pass. */
export interface Replacement {
  /** Where. */
  readonly hook: string;
  /** Other hooks, before this one, that it needs. */
  readonly reads?: readonly string[];
  /** The new value, of the same shape, from the values of `hook` and `reads`, `[batch, position, …]`. */
  replace(values: ReadonlyMap<string, FloatTensor>): Promise<FloatTensor>;
}

/** What is asked of a pass, wherever it begins. */
export interface PassOptions {
  /** Hooks whose values are wanted. */
  readonly reads?: readonly string[];
  /** At most one per hook. */
  readonly replacements?: readonly Replacement[];
  /** The lowest hooks that a backward pass, or a pass that goes on from this one, will ask for. */
  readonly gradientsFrom?: readonly string[];
}

/** What is asked of a pass that goes on from another. */
export interface RerunOptions extends PassOptions {
  /**
   * Replacements change nothing before this position. Blocks then run at the positions from there on, and the last one
   * at the rows that are wanted, wherever no hook further up is looked at.
   */
  readonly changedFrom?: number;
}

/** A forward pass over a batch of prompts. */
export interface ForwardRequest extends PassOptions {
  /**
   * Token ids of every prompt, BOS included if there is one. Shorter prompts are padded on the right, where nothing
   * that comes before can see it.
   */
  readonly prompts: readonly (readonly number[])[];
  /** In which form of the model. */
  readonly processing: Processing;
  /** For every prompt, the positions, ascending, at which the final norm's output is wanted. */
  readonly rows: readonly (readonly number[])[];
  /**
   * The one prompt goes on after the tokens of this cache, which holds its tokens too afterwards. Positions, in rows and
   * of values, count from its first token.
   */
  readonly cache?: KeyValueCache;
}

/** What a forward pass leaves behind; `backward` goes back over it, `rerun` goes on from its middle. */
export interface ForwardState {
  /** What was asked. */
  readonly request: ForwardRequest;
  /** Hook values `[batch, position, …]`, after replacements: what the rest of the model saw. */
  readonly values: ReadonlyMap<string, FloatTensor>;
  /** The final norm's output at the prompts' rows, one prompt after another, `[1, row, d_model]`. */
  readonly final: FloatTensor;
  /** The last block ran its queries and MLP at `rows` only. */
  readonly selectRows: boolean;
  /** Gives back what lies in a device's memory; gradients cannot be asked for any more. */
  release(): void;
}

/** Other derivatives than the plain ones. */
export interface BackwardOptions extends Pick<VjpOptions, "rules"> {
  /** Values of these roles are constants. */
  readonly stop?: readonly Role[];
  /** The values at these hooks are constants: their own gradient can be asked for, and nothing passes below. */
  readonly stopHooks?: readonly string[];
  /**
   * The gradients of these rows (by their place among the pass's) go back each on its own, over one prompt: what comes back
   * at a hook is `[row, position, …]`. No hook of the final norm's.
   */
  readonly eachRow?: readonly number[];
}

/** Where a backward pass begins: gradients of what is differentiated, by hook, `[batch, position, …]`. */
export type GradientSeeds = ReadonlyMap<string, FloatTensor>;

/** For every prompt, ascending positions. */
export type PromptRows = readonly (readonly number[])[];

/** How a pass differs from the one that it goes on from. */
export interface Changes {
  /** The positions that may differ and that the metric may see. */
  readonly rows: PromptRows;
  /** The first block that runs at them alone. */
  readonly stage: number;
  /** What the first pass's stages took, of its one prompt. */
  readonly inputs: ReadonlyMap<number, Stream>;
}

/** A pass under way. */
export interface Pass {
  readonly request: ForwardRequest;
  /** Positions of the longest prompt. */
  readonly length: number;
  readonly values: Map<string, FloatTensor>;
  /** Inputs of the stages from the lowest that may be needed again, after replacements. */
  readonly stageInputs: Map<number, Stream>;
  /** What replacements within blocks added to their values. */
  readonly deltas: Map<string, FloatTensor>;
  readonly hooks: readonly HookPoint[];
  readonly replacedAt: ReadonlyMap<string, Replacement>;
  /** The last block runs its queries and MLP at `rows` only. */
  readonly selectRows: boolean;
  /** Masks and rotary positions, by the queries' rows; undefined: all positions. */
  readonly positional: Map<PromptRows | undefined, Feeds>;
  /** Where it is known that only some positions differ from the pass that it goes on from. */
  readonly changes?: Changes;
  /** Hook values of the pass from which this one goes on, in the stage where it does. */
  readonly known: ReadonlyMap<string, FloatTensor>;
}

/** In prompts up to this length, graphs of its own for the last block cost more than the rows that they save. */
const MIN_ROWS_TO_SELECT = 32;

/**
 * A pass that has not run yet.
 *
 * @throws {RangeError} if a prompt, its rows, a hook or the replacements are wrong
 */
export function beginPass(architecture: Architecture, request: ForwardRequest): Pass {
  checkPrompts(request, architecture.config.nCtx);
  checkCache(architecture, request);
  const replacements = request.replacements ?? [];
  const twice = replacements.find(({ hook }, i) => replacements.findIndex((r) => r.hook === hook) < i);
  if (twice) throw new RangeError(`Two replacements at ${twice.hook}: give one`);
  const names = [
    ...request.reads ?? [],
    ...request.gradientsFrom ?? [],
    ...replacements.flatMap((r) => [r.hook, ...r.reads ?? []]),
  ];
  const hooks = [...new Set(names)].map((name) => findHook(architecture, name));
  const length = Math.max(...request.prompts.map((tokens) => tokens.length));
  const [{ length: nRows }] = request.rows;
  return {
    request,
    length,
    hooks,
    values: new Map(),
    stageInputs: new Map(),
    deltas: new Map(),
    positional: new Map(),
    known: new Map(),
    replacedAt: new Map(replacements.map((r) => [r.hook, r])),
    selectRows: length > MIN_ROWS_TO_SELECT && nRows * 2 <= length &&
      lastBlockMaySkip(architecture, request.rows, hooks),
  };
}

/** A pass over one prompt as its rows go back over it each on its own: the last block's queries and MLP at that row only. */
export function eachRowApart(architecture: Architecture, pass: Pass, eachRow: readonly number[]): Pass {
  const { request, hooks, length } = pass;
  const rows = eachRow.map((row) => [request.rows[0][row]]);
  return {
    ...pass,
    request: { ...request, rows },
    positional: new Map(),
    selectRows: length > MIN_ROWS_TO_SELECT && lastBlockMaySkip(architecture, rows, hooks),
  };
}

/** Only the boundary at the last block's input may be looked at, if the block is to skip rows. */
export function lastBlockMaySkip(
  { config: { nLayers } }: Architecture,
  rows: PromptRows,
  hooks: readonly HookPoint[],
): boolean {
  return rows.every(({ length }) => length === rows[0].length) &&
    hooks.every(({ stage, local }) => stage < nLayers || (stage === nLayers && local === "hook_resid_pre"));
}

function checkCache({ rotary }: Architecture, { cache, prompts, gradientsFrom = [] }: ForwardRequest): void {
  if (!cache) return;
  if (prompts.length !== 1) throw new RangeError(`${prompts.length} prompts with a cache: give one`);
  if (gradientsFrom.length > 0) throw new RangeError("A pass on a cache has no gradients: leave out `gradientsFrom`");
  const length = cache.length + prompts[0].length;
  if (length > cache.capacity) throw new RangeError(`${length} tokens do not fit the cache of ${cache.capacity}`);
  if (cache.length > 0 && Object.values(rotary).some((spec) => !isSameRotary(spec, cache.length, length))) {
    throw new RangeError(
      `Keys of ${cache.length} tokens are rotated otherwise than those of ${length}: empty the cache, and give all tokens`,
    );
  }
}

function checkPrompts({ prompts, rows }: ForwardRequest, nCtx: number): void {
  if (prompts.length === 0 || rows.length !== prompts.length) {
    throw new RangeError(`${prompts.length} prompts with rows for ${rows.length}: give one list of rows per prompt`);
  }
  prompts.forEach((tokens, i) => {
    if (tokens.length === 0) throw new RangeError("The prompt has no tokens: give some text, or prepend BOS");
    if (tokens.length > nCtx) throw new RangeError(`${tokens.length} tokens do not fit the model's context of ${nCtx}`);
    const wrong = rows[i].find((row, r) =>
      !Number.isInteger(row) || row < 0 || row >= tokens.length || row <= rows[i][r - 1]
    );
    if (wrong !== undefined || rows[i].length === 0) {
      throw new RangeError(
        `The rows [${rows[i].join(", ")}] are not ascending positions of a prompt of ${tokens.length} tokens`,
      );
    }
  });
}
