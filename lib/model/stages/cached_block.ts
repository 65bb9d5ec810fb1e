/**
 * A block at new tokens only, which attend to the keys and values of all tokens so far: rewritten from the family's own
 * graph, so that no family knows of it.
 *
 * @module
 */
import type { StageGraph } from "../../../models/family.ts";
import { type Dim, input, type Shape, type Value } from "../../graph/mod.ts";

/** The hooks whose values attention multiplies: queries, keys and values, `[batch, position, head, d_head]`. */
export interface Projections {
  readonly query: string;
  readonly keys: string;
  readonly values: string;
}

/** The graph inputs in their place: of the new tokens, and of all tokens so far. */
export const CACHED: Projections = { query: "cache:query", keys: "cache:keys", values: "cache:values" };

const PARTS = ["query", "keys", "values"] as const;

/** Keys and queries as they are after rotary positions, where the family has those. */
export function projectionHooks({ hooks }: Pick<StageGraph, "hooks">): Projections {
  const rotated = hooks["attn.hook_rot_k"] === undefined ? "" : "rot_";
  return { query: `attn.hook_${rotated}q`, keys: `attn.hook_${rotated}k`, values: "attn.hook_v" };
}

/**
 * The block of new tokens, `[batch, row, d_model]`. Its output and what comes after the projections read the inputs of
 * {@linkcode CACHED}, keys and values at every "position"; all else is at the tokens alone.
 *
 * @param block as the family writes it with `selectRows`: "position" below the queries, "row" above, and between them
 * products with the matrix `rows`, which are left out here
 */
export function cachedBlock(block: StageGraph): StageGraph {
  const hooks = projectionHooks(block);
  const done = new Map<Value, Value>();
  const projected = PARTS.map((part) => rewritten(block.hooks[hooks[part]], done, new Set()));
  const cached = PARTS.map((part) => input(CACHED[part], block.hooks[hooks[part]].shape));
  PARTS.forEach((part, i) => done.set(block.hooks[hooks[part]], cached[i]));
  const above = new Set(cached);
  const found = Object.entries(block.hooks).map(([name, value]): [string, Value] => {
    const part = PARTS.findIndex((one) => hooks[one] === name);
    return [name, part < 0 ? rewritten(value, done, above) : projected[part]];
  });
  return {
    input: rewritten(block.input, done, above),
    output: rewritten(block.output, done, above),
    hooks: Object.fromEntries(found),
  };
}

/**
 * A value on the inputs that `done` gives, itself if nothing is another.
 *
 * @param above what depends on all positions: its shapes stay
 */
function rewritten(value: Value, done: Map<Value, Value>, above: Set<Value>): Value {
  const known = done.get(value);
  if (known) return known;
  const { op } = value;
  const inputs = (isSelection(value) ? [value.inputs[1]] : value.inputs).map((one) => rewritten(one, done, above));
  const isAbove = inputs.some((one) => above.has(one));
  const reshape = isAbove ? (shape: Shape): Shape => shape : atRows;
  const shape = reshape(value.shape);
  const isSame = `${shape}` === `${value.shape}` && inputs.every((one, i) => one === value.inputs[i]);
  const result = isSelection(value)
    ? inputs[0]
    : isSame
    ? value
    : { ...value, inputs, shape, op: op.kind === "Reshape" ? { ...op, shape: reshape(op.shape) } : op };
  if (isAbove) above.add(result);
  done.set(value, result);
  return result;
}

/** A product with the matrix that selects rows. */
function isSelection({ op, inputs: [a] }: Value): boolean {
  return op.kind === "MatMul" && a.op.kind === "Input" && a.op.name === "rows";
}

/** Positions are rows; a mask, which has both, stays. */
function atRows(shape: Shape): Shape {
  const isOf = (dim: Dim, symbol: string): boolean => typeof dim === "string" && dim.split("*").at(-1) === symbol;
  if (shape.some((dim) => isOf(dim, "row"))) return shape;
  return shape.map((dim) => isOf(dim, "position") ? (dim as string).replace(/position$/, "row") : dim);
}
