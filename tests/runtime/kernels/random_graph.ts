import {
  activation,
  add,
  broadcastShapes,
  concat,
  constant,
  type Dim,
  div,
  erf,
  exp,
  expandLike,
  gatherElements,
  type Graph,
  greater,
  input,
  log,
  logSoftmax,
  matMul,
  mul,
  neg,
  type OpKind,
  pad,
  reachable,
  reduceMean,
  reduceSum,
  relu,
  reshape,
  scatterElementsLike,
  type Shape,
  showShape,
  sigmoid,
  slice,
  softmax,
  sqrt,
  sub,
  swapLast,
  tanh,
  transpose,
  type Value,
  where,
} from "../../../lib/graph/mod.ts";

/**
 * Graphs of random ops on random shapes, with symbols, in which every value stays near 1 and no op is at a place where it
 * jumps, so that two ways of computing one agree to some units in the last place.
 */
export interface RandomGraph {
  readonly graph: Graph;
  /** The int64 inputs, with what indices are below and not below the negative of. */
  readonly indices: ReadonlyMap<string, Dim>;
  /** The kinds of ops in it. */
  readonly kinds: ReadonlySet<OpKind>;
}

type Make = (draw: Draw) => Value | undefined;

/** What the making of a graph draws from. */
class Draw {
  readonly values: Value[] = [];
  /** Inputs and views of them: the same number in every computation, so that comparing them is safe. */
  readonly exact = new Set<Value>();
  readonly indices = new Map<string, Dim>();
  readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  one<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** A value, recent ones more often. */
  value(fits: (value: Value) => boolean = () => true): Value | undefined {
    const fitting = this.values.filter(fits);
    if (fitting.length === 0) return undefined;
    return this.random() < 0.5 ? this.one(fitting.slice(-4)) : this.one(fitting);
  }

  index(shape: Shape, below: Dim): Value {
    const name = `indices${this.indices.size}`;
    this.indices.set(name, below);
    return input(name, shape, "int64");
  }
}

const isKnown = (dim: Dim): dim is number => typeof dim === "number";
const MAX_RANK = 5;
/** Known sizes stay below this. */
const MAX_KNOWN = 64;

const known = (shape: Shape): number => shape.filter(isKnown).reduce((a, b) => a * b, 1);
const symbols = (shape: Shape): string[] => shape.filter((dim) => typeof dim === "string");
const isSmall = (shape: Shape): boolean =>
  shape.length <= MAX_RANK && known(shape) <= MAX_KNOWN && symbols(shape).length <= 3;

const unary = (f: (x: Value) => Value): Make => (draw) => {
  const x = draw.value();
  return x && f(x);
};

const binary = (f: (a: Value, b: Value) => Value): Make => (draw) => {
  const a = draw.value();
  const b = draw.value((b) => {
    try {
      return isSmall(broadcastShapes(a!.shape, b.shape));
    } catch {
      return false;
    }
  });
  return a && b && f(a, b);
};

const axisOf = (draw: Draw, { shape }: Value, fits: (dim: Dim) => boolean = () => true): number | undefined => {
  const axes = shape.map((_, axis) => axis).filter((axis) => fits(shape[axis]));
  return axes.length > 0 ? draw.one(axes) : undefined;
};

function shuffled<T>(draw: Draw, items: readonly T[]): T[] {
  const left = [...items];
  return items.map(() => left.splice(draw.below(left.length), 1)[0]);
}

/** The same elements in other dimensions: axes merged, split, moved; at most one symbol moves or gets a factor. */
const reshaped: Make = (draw) => {
  const x = draw.value();
  if (!x) return undefined;
  const shape = [...x.shape];
  for (let step = 0; step <= draw.below(3); step++) {
    const axis = draw.below(shape.length + 1);
    const [dim, next] = [shape[axis], shape[axis + 1]];
    if (isKnown(dim) && isKnown(next)) shape.splice(axis, 2, dim * next);
    else if (isKnown(dim) && dim > 1) {
      const factor = draw.one([2, 3, 5].filter((factor) => dim % factor === 0).concat(1));
      shape.splice(axis, 1, factor, dim / factor);
    } else if (isKnown(dim)) shape.splice(axis, 1);
    else shape.splice(axis, 0, 1);
  }
  const symbol = shape.findIndex((dim) => !isKnown(dim) && !dim.includes("*"));
  const factor = shape.findIndex((dim) => isKnown(dim) && dim > 1);
  if (symbol >= 0 && factor >= 0 && draw.random() < 0.4) { // next to each other they are one
    shape[symbol] = `${shape[factor]}*${shape[symbol]}`;
    shape.splice(factor, 1);
  }
  const moved = shape.filter((dim, axis) => !isKnown(dim) && x.shape[axis] !== dim);
  if (moved.length > 1 && shape.some((dim) => `${dim}`.includes("*"))) return undefined; // ONNX cannot say it
  if (moved.length > 1 && x.shape.some((dim) => `${dim}`.includes("*"))) return undefined;
  return shape.length <= MAX_RANK ? reshape(x, shape) : undefined;
};

const MAKES: { readonly [K in Exclude<OpKind, "Input">]: Make } = {
  Constant: (draw) => constant(draw.random() * 2 - 1),
  Add: binary((a, b) => mul(add(a, b), 0.7)),
  Sub: binary((a, b) => mul(sub(a, b), 0.7)),
  Mul: binary(mul),
  Div: binary((a, b) => div(a, add(sigmoid(b), 0.5))),
  MatMul: (draw) => {
    const a = draw.value(({ shape }) => shape.length >= 2);
    if (!a) return undefined;
    const fits = (b: Value): boolean => {
      try {
        return isSmall(matMul(a, b).shape);
      } catch {
        return false;
      }
    };
    const b = draw.value((b) => b.shape.length >= 2 && (fits(b) || fits(swapLast(b))));
    if (!b) return undefined;
    return tanh(matMul(a, fits(b) && draw.random() < 0.7 ? b : fits(swapLast(b)) ? swapLast(b) : b));
  },
  Greater: (draw) => {
    const x = draw.value((x) => draw.exact.has(x));
    return x && mul(where(greater(x, draw.one([0.1, -0.3])), 1, 0.5), x);
  },
  Where: (draw) => {
    const condition = draw.value((x) => draw.exact.has(x));
    if (!condition) return undefined;
    const other = (): Value | number => draw.value(({ shape }) => shape.length <= 1 || draw.random() < 0.5) ?? 0.25;
    const [a, b] = [other(), draw.random() < 0.3 ? -0.5 : other()];
    try {
      const made = where(greater(condition, 0), a, b);
      return isSmall(made.shape) ? made : undefined;
    } catch {
      return undefined;
    }
  },
  Neg: unary(neg),
  Sqrt: unary((x) => sqrt(add(mul(x, x), 0.5))),
  Exp: unary((x) => exp(tanh(x))),
  Log: unary((x) => log(add(mul(x, x), 0.5))),
  Tanh: unary(tanh),
  Erf: unary(erf),
  Sigmoid: unary(sigmoid),
  Relu: unary(relu),
  Activation: (draw) => {
    const x = draw.value();
    return x && activation(x, draw.one(["gelu", "gelu_new", "relu", "silu"]));
  },
  Softmax: (draw) => {
    const x = draw.value(({ shape }) => shape.length > 0);
    return x && softmax(mul(x, 2));
  },
  LogSoftmax: (draw) => {
    const x = draw.value(({ shape }) => shape.length > 0);
    return x && mul(logSoftmax(x), 0.3);
  },
  ReduceSum: (draw) => {
    const x = draw.value(({ shape }) => shape.length > 0);
    const axes = x?.shape.map((_, axis) => axis).filter(() => draw.random() < 0.5) ?? [];
    return x && tanh(reduceSum(x, axes, draw.random() < 0.5));
  },
  ReduceMean: (draw) => {
    const x = draw.value(({ shape }) => shape.length > 0);
    const axes = x?.shape.map((_, axis) => axis).filter(() => draw.random() < 0.5) ?? [];
    return x && reduceMean(x, axes, draw.random() < 0.5);
  },
  Transpose: (draw) => {
    const x = draw.value(({ shape }) => shape.length > 1);
    return x && transpose(x, shuffled(draw, x.shape.map((_, axis) => axis)));
  },
  Reshape: reshaped,
  ExpandLike: (draw) => {
    const like = draw.value(({ shape }) => shape.length > 0);
    const x = draw.value(({ shape }) => {
      try {
        return showShape(shape) !== showShape(like!.shape) &&
          showShape(broadcastShapes(shape, like!.shape)) === showShape(like!.shape);
      } catch {
        return false;
      }
    });
    return x && like && expandLike(x, like);
  },
  Slice: (draw) => {
    const x = draw.value(({ shape }) => shape.some(isKnown));
    const axis = x && axisOf(draw, x, isKnown);
    if (axis === undefined) return undefined;
    const size = x!.shape[axis] as number;
    const start = draw.below(size);
    return slice(x!, axis, start, start + 1 + draw.below(size - start));
  },
  Pad: (draw) => {
    const x = draw.value(({ shape }) => shape.some(isKnown));
    const axis = x && axisOf(draw, x, isKnown);
    return axis === undefined ? undefined : pad(x!, axis, draw.below(3), draw.below(3));
  },
  Concat: (draw) => {
    const x = draw.value(({ shape }) => shape.some(isKnown));
    const axis = x && axisOf(draw, x, isKnown);
    if (axis === undefined) return undefined;
    const others = (value: Value): string =>
      showShape(value.shape.map((dim, i) => i === axis && isKnown(dim) ? 0 : dim));
    const values = Array.from({ length: 1 + draw.below(3) }, () => draw.value((v) => others(v) === others(x!))!);
    return concat([x!, ...values], axis);
  },
  GatherElements: (draw) => {
    const x = draw.value(({ shape }) => shape.length > 0);
    if (!x) return undefined;
    return gatherElements(x, draw.index([...x.shape.slice(0, -1), 1 + draw.below(4)], x.shape.at(-1)!));
  },
  ScatterElementsLike: (draw) => {
    const like = draw.value(({ shape }) => shape.length > 0);
    const leading = (value: Value): string => showShape(value.shape.slice(0, -1));
    const updates = draw.value((x) => x.shape.length > 0 && leading(x) === leading(like!));
    return updates && like && tanh(scatterElementsLike(updates, draw.index(updates.shape, like.shape.at(-1)!), like));
  },
};

const VIEWS: ReadonlySet<OpKind> = new Set(["Transpose", "Reshape", "Slice", "ExpandLike"]);

/** A random graph. */
export function randomGraph(random: () => number): RandomGraph {
  const draw = new Draw(random);
  const shapes: Shape[] = [
    ["batch", "position", draw.one([4, 6, 12])],
    ["position", draw.one([1, 6, 8])],
    [draw.one([4, 6, 12]), draw.one([6, 8, 24])],
    draw.one<Shape>([[], [6], ["position"], ["batch", 1, 1], ["batch", "position", 2, 6], [3, "2*position"]]),
  ];
  for (const [i, shape] of shapes.entries()) {
    const value = input("abcd"[i], shape);
    draw.values.push(value);
    draw.exact.add(value);
  }
  const kinds = Object.keys(MAKES) as (keyof typeof MAKES)[];
  const wanted = 8 + draw.below(25);
  for (let tries = 0; draw.values.length < wanted && tries < 500; tries++) {
    const made = MAKES[draw.one(kinds)](draw);
    if (!made || !isSmall(made.shape)) continue;
    if (VIEWS.has(made.op.kind) && made.inputs.every((x) => draw.exact.has(x))) draw.exact.add(made);
    draw.values.push(made);
  }
  const outputs = new Map<string, Value>([["last", draw.values.at(-1)!]]);
  const many = 1 + draw.below(draw.one([3, 12]));
  for (let i = 0; i < many; i++) outputs.set(`out${i}`, draw.one(draw.values));
  const graph = Object.fromEntries(outputs);
  const reached = reachable(Object.values(graph));
  return {
    graph,
    kinds: new Set(reached.map(({ op }) => op.kind)),
    indices: draw.indices,
  };
}
