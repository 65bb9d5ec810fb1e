/**
 * The sessions that run a stage: its forward pass, a part of it up to a hook, and its backward pass, all derived from
 * the stage's one graph and kept by what was asked.
 *
 * @module
 */
import type { Architecture, Processing, StageGraph } from "../../../models/family.ts";
import { addDeltas, alongOnly, type Graph, input, type Value, vjp } from "../../graph/mod.ts";
import type { Constants, Runtime, Session } from "../../runtime/runtime.ts";
import { cachedBlock } from "./cached_block.ts";
import type { BackwardOptions } from "./pass.ts";

/** Which graph of a stage. */
export interface StageKey {
  /** 0 embed, 1 … n blocks, n + 1 final norm */
  readonly stage: number;
  readonly processing: Processing;
  /** Only some rows of the block's queries and MLP. */
  readonly selectRows: boolean;
  /** The block of new tokens, on cached keys and values. */
  readonly isCached?: boolean;
  /** Hooks (names within the stage) at which a delta is added. */
  readonly deltas: readonly string[];
}

/** The name of the graph input that is added at a hook. */
export const deltaName = (hook: string): string => `delta:${hook}`;

/** The graph input that is the gradient at a hook from which a backward pass begins. */
export const seedName = (hook: string): string => `seed:${hook}`;

/** The graph output that is the stage's result, and the one that is the gradient at its input. */
export const OUTPUT = "output";
/** The graph input that is the gradient at the stage's output. */
export const GRADIENT = "gradient";
/** The graph output that is the gradient at the stage's input. */
export const INPUT_GRADIENT = "input_gradient";

/** Where in a stage gradients come from, go to and end; hooks by their names within the stage. */
export interface StageGradient {
  /** Hooks whose gradients are wanted; not the stage's input. */
  readonly wrt: readonly string[];
  /** The gradient at the stage's input is wanted. */
  readonly throughInput: boolean;
  /** A gradient comes in at the stage's output. */
  readonly fromOutput: boolean;
  /** Hooks at which gradients come in. */
  readonly seeds: readonly string[];
  /** Hooks whose values are constants. */
  readonly stopHooks: readonly string[];
  /** Of several gradients over one prompt, the graph's inputs that are each one's own; all others have a batch of 1. */
  readonly apart: readonly string[];
}

/** A stage's graph; the embedding has no stream that comes in. */
export type AnyStageGraph = Partial<StageGraph> & Omit<StageGraph, "input">;

/** A stage's graph as its family writes it; one call's values can be compared by identity. */
export function stageGraph(
  architecture: Architecture,
  { stage, processing, selectRows, isCached = false }: Omit<StageKey, "deltas">,
): AnyStageGraph {
  if (stage === 0) return architecture.embed(processing);
  if (stage > architecture.config.nLayers) return architecture.final(processing);
  if (isCached) return cachedBlock(architecture.block(stage - 1, { processing, selectRows: true }));
  return architecture.block(stage - 1, { processing, selectRows });
}

/** Makes and keeps the sessions of an architecture's stages. */
export class StageSessions {
  readonly #architecture: Architecture;
  readonly #runtime: Runtime;
  readonly #weights: (stage: number) => Constants | undefined;
  readonly #graphs = new Map<string, AnyStageGraph>();
  /** What was derived from them, by all that it depends on. */
  readonly #derived = new Map<string, Graph>();

  /** @param weights a stage's weights, where they stay in the runtime's memory */
  constructor(architecture: Architecture, runtime: Runtime, weights: (stage: number) => Constants | undefined) {
    this.#architecture = architecture;
    this.#runtime = runtime;
    this.#weights = weights;
  }

  /** The stage's graph as its family writes it, written once per kind. */
  graph(key: StageKey): AnyStageGraph {
    const kind = this.#kind(key);
    const graph = this.#graphs.get(kind) ?? stageGraph(this.#architecture, key);
    this.#graphs.set(kind, graph);
    return graph;
  }

  /** From the stage's input to its hooks (after the deltas) and, with `withOutput`, its output. */
  forward(key: StageKey, reads: readonly string[], withOutput: boolean): Promise<Session> {
    return this.#session(key, `forward ${withOutput} ${reads}`, () => {
      const { output, hooks } = this.#shifted(key);
      return { ...pick(hooks, reads), ...(withOutput ? { [OUTPUT]: output } : {}) };
    });
  }

  /** From gradients at the stage's output and at hooks to those at hooks and at its input. */
  backward(key: StageKey, what: StageGradient, { stop, rules }: BackwardOptions = {}): Promise<Session> {
    const { wrt, throughInput, fromOutput, seeds, stopHooks, apart } = what;
    const changed = Object.entries(rules ?? {}).map(([role, rule]) => `${role}#${numberOf(rule)}`);
    const method = `${[...stop ?? []].sort()} ${changed.sort()} ${[...stopHooks].sort()}`;
    return this.#session(key, `backward ${throughInput} ${fromOutput} ${seeds} ${wrt} ${method} ${apart}`, () => {
      const { input: stageInput, output, hooks } = this.#shifted(key);
      const outputs = [...(fromOutput ? [output] : []), ...seeds.map((name) => hooks[name])];
      const from = [...(fromOutput ? [GRADIENT] : []), ...seeds.map(seedName)];
      const names = throughInput ? [...wrt, INPUT_GRADIENT] : wrt;
      const values = names.map((name) => name === INPUT_GRADIENT ? stageInput! : hooks[name]);
      const stopAt = stopHooks.map((name) => hooks[name]);
      const given = outputs.map((value, i) => input(from[i], value.shape));
      const gradients = vjp(outputs, given, values, { stop, rules, stopAt });
      const found = names.flatMap((name, i): [string, Value][] => gradients[i] ? [[name, gradients[i]]] : []);
      const back = Object.fromEntries(found);
      return apart.length === 0 ? back : alongOnly(back, "batch", apart);
    });
  }

  /** The graph with deltas added; hooks are the values after them. */
  #shifted(key: StageKey): { input?: Value; output: Value; hooks: Graph } {
    const { input: stageInput, output, hooks } = this.graph(key);
    if (key.deltas.length === 0) return { input: stageInput, output, hooks };
    const deltas = Object.fromEntries(key.deltas.map((hook) => [deltaName(hook), hooks[hook]]));
    const shifted = addDeltas({ ...hooks, [OUTPUT]: output }, deltas);
    return { input: stageInput, output: shifted[OUTPUT], hooks: shifted };
  }

  #session(key: StageKey, what: string, derive: () => Graph): Promise<Session> {
    const name = `${this.#kind(key)} [${key.deltas}] ${what}`;
    const graph = this.#derived.get(name) ?? derive();
    this.#derived.set(name, graph);
    return this.#runtime.session(graph, this.#weights(key.stage));
  }

  /** Stages of one kind share one graph. */
  #kind({ stage, processing, selectRows, isCached = false }: StageKey): string {
    const { nLayers } = this.#architecture.config;
    const kind = stage === 0 ? "embed" : stage > nLayers ? "final" : this.#architecture.blockKind(stage - 1);
    const { foldLn, centerWritingWeights, centerUnembed, foldValueBiases } = processing;
    const flags = [foldLn, centerWritingWeights, centerUnembed, foldValueBiases].map(Number).join("");
    return `${kind} ${flags} ${selectRows} ${isCached}`;
  }
}

const numbers = new WeakMap<object, number>();
let count = 0;

/** A number that tells an object from all others. */
function numberOf(object: object): number {
  if (!numbers.has(object)) numbers.set(object, ++count);
  return numbers.get(object)!;
}

function pick(hooks: Graph, names: readonly string[]): Graph {
  return Object.fromEntries(names.map((name) => [name, hooks[name]]));
}
