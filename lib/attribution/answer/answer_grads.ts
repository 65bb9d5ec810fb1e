/**
 * One forward pass over a prompt and its answer, and for each token of the answer the gradients of its own metric: what the
 * text so far would give alone, for causal models see nothing that comes later.
 *
 * @module
 */
import { copiesAtOnce } from "../change/rerun.ts";
import type { ForwardState } from "../../model/stages/chain.ts";
import type { ChatTurn } from "../../model/chat/chat_types.ts";
import type { Model } from "../../model/model.ts";
import { type FloatTensor, joined } from "../../runtime/tensor.ts";
import { encodedRows } from "../../sae/encode_prompts.ts";
import { firstTokens } from "../positions.ts";
import { findMethod } from "../methods/mod.ts";
import type { AttributionOptions } from "../run/attribution_options.ts";
import { type AttributionGrads, logitsOf, readQuestions } from "../run/attribution_grads.ts";
import { checkDirectEffects, directGradient, streamEnd } from "../run/direct_effect.ts";
import type { PreparedPrompt } from "../run/prompt.ts";
import { runPromptsWithSaes } from "../run/run_prompts.ts";
import type { SaeRun } from "../run/sae_hooks.ts";
import { type AnswerMetric, answerMetric } from "./answer_metrics.ts";

/** A prompt and its answer as tokens. */
export interface TokenizedAnswer extends PreparedPrompt {
  /** A chat's messages in the tokens. */
  readonly turns: readonly ChatTurn[];
  /** The positions of the tokens that are explained, ascending; never 0. */
  readonly targets: readonly number[];
  /** The number whose gradient is taken, for each of them. */
  readonly metric: AnswerMetric;
}

/** The most bytes of logits at once. */
const LOGIT_BYTES = 64 * 2 ** 20;
/** More active features, each counted for every token of the answer that may see it, are more rows than can be held. */
const MOST_ROWS = 6_000_000;

/**
 * The gradients of some tokens of the answer at a time, in their order.
 *
 * @throws {RangeError} if SAEs do not fit, or there are too many rows
 */
export async function* answerGrads(
  model: Model,
  answer: TokenizedAnswer,
  options: AttributionOptions,
): AsyncGenerator<AttributionGrads[]> {
  const { saes = [], includeErrorTerm = true, directEffect = false } = options;
  const { targets, processing, tokens } = answer;
  if (directEffect) checkDirectEffects(saes);
  const started = performance.now();
  const { state, saeRuns: [saeRuns] } = await runPromptsWithSaes(model, [{ ...answer, rows: rowsBefore(targets) }], {
    saes,
    processing,
    includeErrorTerm,
    trackModelHooks: [],
    withGradients: true,
    gradientsFrom: directEffect ? [streamEnd(model)] : [],
  });
  const forward = performance.now() - started;
  try {
    checkRows(saeRuns, targets);
    const shared = { model, answer, options, state, saeRuns, forward };
    const atOnce = Math.max(1, Math.floor(LOGIT_BYTES / 4 / model.architecture.config.dVocab));
    for (const some of groups(targets.keys(), atOnce)) {
      const read = await readTargets(shared, some);
      for (const few of groups(some.keys(), copiesAtOnce(model, tokens.length))) yield await goBack(shared, read, few);
    }
  } finally {
    state.release();
  }
}

const rowsBefore = (targets: readonly number[]): number[] => targets.map((position) => position - 1);

/** As many groups as are needed, of nearly the same size. */
function groups<T>(all: Iterable<T>, most: number): T[][] {
  const items = [...all];
  const size = Math.ceil(items.length / Math.ceil(items.length / most));
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function checkRows(saeRuns: ReadonlyMap<string, SaeRun>, targets: readonly number[]): void {
  let rows = 0;
  for (const { encoded: { activations: { offsets } } } of saeRuns.values()) {
    for (const position of targets) rows += offsets[position];
  }
  if (rows <= MOST_ROWS) return;
  throw new RangeError(
    `The answer has some ${rows} rows, and ${MOST_ROWS} are held at most: choose fewer of its tokens (\`answerPositions\`)`,
  );
}

/** What all tokens of an answer share. */
interface SharedPass {
  readonly model: Model;
  readonly answer: TokenizedAnswer;
  readonly options: AttributionOptions;
  readonly state: ForwardState;
  readonly saeRuns: ReadonlyMap<string, SaeRun>;
  readonly forward: number;
}

type Found = Awaited<ReturnType<typeof readQuestions>>;

/** Some tokens' metrics, read at their rows. */
interface ReadTargets {
  /** Which of the answer's. */
  readonly targets: readonly number[];
  readonly states: readonly Pick<ForwardState, "final">[];
  readonly logits: FloatTensor;
  readonly resolved: Found["resolved"];
  readonly readings: NonNullable<Found["readings"]>;
}

async function readTargets({ model, answer, state }: SharedPass, targets: readonly number[]): Promise<ReadTargets> {
  const [, , d] = state.final.dims;
  const states = targets.map((row) => {
    const data = state.final.data.subarray(row * d, (row + 1) * d);
    return { final: { dims: [1, 1, d], data } };
  });
  const final = { dims: [1, targets.length, d], data: joined(states.map(({ final }) => final.data)) };
  const logits = await model.unembedding.logits(final);
  const questions = targets.map((i) => {
    const position = answer.targets[i];
    return { tokens: answer.tokens.slice(0, position), metric: answerMetric(answer.metric, answer.tokens[position]) };
  });
  const none = (): never => {
    throw new TypeError("No metric of an answer compares with a run without SAEs");
  };
  const { resolved, readings } = await readQuestions(model, questions, states, () => Promise.resolve(logits), none);
  const failed = resolved.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return { targets, states, logits, resolved, readings: readings! };
}

/** Back over the prompt with some tokens' gradients at once, each on its own. */
async function goBack(shared: SharedPass, read: ReadTargets, few: readonly number[]): Promise<AttributionGrads[]> {
  const { model, answer, options, state, saeRuns, forward } = shared;
  const { saes = [], method = "gradient", directEffect = false } = options;
  const started = performance.now();
  const gradient = { dims: state.final.dims, data: new Float32Array(state.final.data.length) };
  const eachRow = few.map((i) => read.targets[i]);
  few.forEach((i) => gradient.data.set(read.readings[i].gradient.data, read.targets[i] * state.final.dims[2]));
  const hooks = [...new Set(saes.map(({ hookOut }) => hookOut))];
  const found = await model.chain.backward(state, gradient, hooks, { ...findMethod(method).vjp, eachRow });
  const direct = directEffect ? await directGradient(model, state, gradient, eachRow) : undefined;
  const timings = { forward, backward: performance.now() - started };
  return few.map((i, copy): AttributionGrads => {
    const position = answer.targets[read.targets[i]];
    const { value: resolvedMetric } = read.resolved[i] as PromiseFulfilledResult<AttributionGrads["resolvedMetric"]>;
    const own = (value: FloatTensor): FloatTensor => firstPositions(value, copy, position);
    return {
      tokens: answer.tokens.slice(0, position),
      processing: answer.processing,
      metric: read.readings[i].value,
      resolvedMetric,
      rows: [position - 1],
      appended: 0,
      turns: firstTokens(answer.turns, position),
      warnings: [],
      modelOutput: () => Promise.resolve(logitsOf(read.logits, read.states, i)),
      state: soFar(state, read.states[i].final, position),
      saeRuns: new Map([...saeRuns].map(([hook, run]) => [hook, runSoFar(run, position)])),
      gradients: new Map([...found].map(([hook, value]) => [hook, own(value)])),
      directGradient: direct && own(direct),
      timings,
    };
  });
}

/** The pass as one over the text so far, over which nothing goes back. */
function soFar(state: ForwardState, final: FloatTensor, length: number): ForwardState {
  const { request, selectRows } = state;
  return {
    request: { ...request, prompts: [request.prompts[0].slice(0, length)], rows: [[length - 1]] },
    values: new Map([...state.values].map(([hook, value]) => [hook, firstPositions(value, 0, length)])),
    final,
    selectRows,
    release() {},
  };
}

function runSoFar(run: SaeRun, length: number): SaeRun {
  const of = (data: Float32Array): Float32Array => data.subarray(0, length * run.sae.config.dOut);
  return {
    sae: run.sae,
    saeIn: of(run.saeIn),
    encoded: encodedRows(run.encoded, 0, length),
    saeOut: of(run.saeOut),
    excluded: new Set([...run.excluded].filter((position) => position < length)),
  };
}

/** Of `[copy, position, …]` one copy's first positions, `[1, position, …]`. */
function firstPositions({ dims: [copies, n, ...rest], data }: FloatTensor, copy: number, length: number): FloatTensor {
  const start = copy * data.length / copies;
  return { dims: [1, length, ...rest], data: data.subarray(start, start + length * data.length / copies / n) };
}
