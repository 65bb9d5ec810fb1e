/**
 * What metrics are made of: positions, formulas, sums of logits, words and Python.
 *
 * @module
 */
import { resolvePosition } from "../positions.ts";
import { checkOptions, type OptionKinds } from "../../options.ts";
import { gatherElements, input, mul, neg, reduceMean, reduceSum, type Value } from "../../graph/mod.ts";
import {
  type LogitsFunction,
  type Metric,
  type MetricGraph,
  type MetricOptions,
  type Position,
  resolvedFunction,
  type TokenRef,
} from "./metric.ts";

/** Where a metric reads. @throws {TypeError} if it has other options */
export function positionOf(of: string, options: MetricOptions): Position {
  checkOptions(of, options, METRIC_OPTIONS);
  return options.position ?? -1;
}

const METRIC_OPTIONS: OptionKinds<MetricOptions> = { position: "any" };

/** The rows that positions stand for, ascending. @throws {RangeError} if there is no such position */
export function atPositions(position: Position): (tokens: number) => number[] {
  return (tokens) => {
    const rows = [position].flat().map((at) => resolvePosition(at, tokens, "The metric's position"));
    if (rows.length === 0 || new Set(rows).size < rows.length) {
      throw new RangeError(`The metric's positions [${[position].flat().join(", ")}] are empty or name one twice`);
    }
    return rows.sort((a, b) => a - b);
  };
}

/** A plain function as a metric, for where no gradient is taken. */
export function functionMetric(evaluate: LogitsFunction, position: Position): Metric {
  const resolved = resolvedFunction(evaluate);
  return { name: resolved.name, rows: atPositions(position), resolve: () => Promise.resolve(resolved) };
}

/** The formula of what is added up over positions, as NumPy would write it. */
export function showSum(position: Position, formula: (logits: string, axis: string) => string): string {
  if (typeof position === "number") return formula(`logits[${position}`, "");
  return position.length === 1
    ? formula(`logits[${position[0]}`, "")
    : `sum(${formula(`logits[[${position.join(", ")}]`, ", 1")})`;
}

/** `logits[-1, id]`, of several ids the mean. */
export function showLogit(position: Position, ids: readonly number[]): string {
  return showSum(position, (at, axis) => {
    if (ids.length === 1) return `${at}, ${ids[0]}]`;
    return axis === "" ? `mean(${at}, [${ids.join(", ")}]])` : `mean(${at}][:, [${ids.join(", ")}]]${axis})`;
  });
}

/** Σ weights · logits over the columns. */
export function weightedSum(weights: readonly number[]): Pick<MetricGraph, "feeds" | "build"> {
  return {
    feeds: { weights: { dims: [1, weights.length], data: Float32Array.from(weights) } },
    build: (logits) => {
      const columns = logits.shape[1];
      return reduceSum(mul(logits, input("weights", [1, columns])), [0, 1], false);
    },
  };
}

/** One element of each row after a function of the whole row, added up. */
function pickedAfter(
  token: number,
  rows: number,
  f: (x: Value) => Value,
): Pick<MetricGraph, "feeds" | "build"> {
  return pickedEach(new Array<number>(rows).fill(token), f, "sum");
}

/** For each row its own token's element. */
export function pickedEach(
  tokens: readonly number[],
  f: (logits: Value) => Value,
  how: "sum" | "negative mean",
): Pick<MetricGraph, "feeds" | "build"> {
  return {
    feeds: { picked: { dims: [tokens.length, 1], data: BigInt64Array.from(tokens, BigInt) } },
    build: (logits) => {
      const elements = gatherElements(f(logits), input("picked", [logits.shape[0], 1], "int64"));
      return how === "sum" ? reduceSum(elements, [0, 1], false) : neg(reduceMean(elements, [0, 1], false));
    },
  };
}

/** The indices of the largest values, largest first (ties: the lower index). */
export function topIndices(values: ArrayLike<number>, count: number): number[] {
  const top: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (top.length === count && !(values[i] > values[top[count - 1]])) continue;
    let at = top.length;
    while (at > 0 && values[i] > values[top[at - 1]]) at--;
    top.splice(at, 0, i);
    if (top.length > count) top.pop();
  }
  return top;
}

/** Σ weights · logits in PyTorch, weights in float32. */
export function pythonSum(ids: readonly number[], weights: readonly number[]): MetricGraph["python"] {
  const factors = weights.map(Math.fround);
  return (logits) => `(${logits}[:, [${ids.join(", ")}]] * torch.tensor([${factors.join(", ")}])).sum()`;
}

/** The sum of each row's own token in PyTorch, after a function of the logits. */
export function pythonPicked(ids: readonly number[], f: string): (logits: string) => string {
  return (logits) => `${logits}${f}[range(${ids.length}), [${ids.join(", ")}]].sum()`;
}

/** A metric's words where a negative attribution is against what a positive one is for. */
export function forOrAgainst(name: (token: string) => string, ids: readonly number[]): MetricGraph["words"] {
  return (nameOf) => {
    const token = ids.map(nameOf).join(" ");
    return { name: name(token), positive: `for ${token}`, negative: "against it" };
  };
}

/** A metric of one token's logit, after a function of the whole row. */
export function ofOneToken(
  name: string,
  token: TokenRef,
  position: Position,
  f: (logits: Value) => Value,
  shown: {
    readonly formula: (id: number) => string;
    readonly words: (token: string) => string;
    readonly python: string;
  },
): Metric {
  const rows = atPositions(position);
  return {
    name,
    rows,
    async resolve(context) {
      const id = await context.tokenId(token);
      const count = rows(context.tokens.length).length;
      return {
        formula: shown.formula(id),
        positive: [id],
        words: forOrAgainst(shown.words, [id]),
        python: pythonPicked(new Array<number>(count).fill(id), shown.python),
        ...pickedAfter(id, count, f),
      };
    },
  };
}

/** `f(logits[-1])[id]` as a formula. */
export function showPicked(position: Position, f: string, id: number): string {
  return showSum(position, (at, axis) => `${f}(${at}]${axis})[${axis === "" ? "" : ":, "}${id}]`);
}
