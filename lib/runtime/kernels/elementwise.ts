/**
 * Kernels of elementwise ops, on numbers that lie one after another. An operand may be one number for all: then it is
 * read once.
 *
 * @module
 */
import {
  type Code,
  f32x4,
  FunctionBuilder,
  i32,
  i32x4,
  increase,
  type Local,
  loopWhile,
  type MultiplyAdd,
  sequence,
  v128,
  when,
} from "./assembler.ts";

/** From the operands' vectors to the result's. */
type VectorOp = (f: FunctionBuilder, operands: readonly Local[]) => { readonly before: Code; readonly value: Code };

/** Reads the first one, two or three numbers at an address; the other lanes are `fill`. */
export function loadPart(x: Local, address: Code, count: Code, fill: number): Code {
  return sequence(
    x.set(f32x4.const(fill)),
    ...[0, 1, 2].map((lane) =>
      when(i32.lt_s(i32.const(lane), count), x.set(v128.load32_lane(address, x.get, lane, 4 * lane)))
    ),
  );
}

/** Writes the first one, two or three lanes. */
export function storePart(address: Code, x: Local, count: Code): Code {
  return sequence(
    ...[0, 1, 2].map((lane) =>
      when(i32.lt_s(i32.const(lane), count), v128.store32_lane(address, x.get, lane, 4 * lane))
    ),
  );
}

/** How an operand of a kernel is given: `v` for n numbers, `s` for one. */
export type Letter = "v" | "s";

/**
 * A function of `(out, operand…, n)`.
 *
 * @param letters one per operand
 */
function elementwise(letters: string, op: VectorOp): FunctionBuilder {
  const f = new FunctionBuilder(letters.length + 2);
  const [out, ...rest] = f.parameters;
  const n = rest.pop()!;
  const [x, result] = [f.locals("v128", rest.length), f.local("v128")];
  const vectors = rest.map((address, i) => ({ address, x: x[i] })).filter((_, i) => letters[i] === "v");
  const scalars = rest.map((address, i) => ({ address, x: x[i] })).filter((_, i) => letters[i] === "s");
  const { before, value } = op(f, x);
  return f.body(
    ...scalars.map(({ address, x }) => x.set(v128.load32_splat(address.get))),
    loopWhile(
      i32.ge_s(n.get, i32.const(4)),
      sequence(
        ...vectors.map(({ address, x }) => x.set(v128.load(address.get))),
        before,
        v128.store(out.get, value),
        ...[out, ...vectors.map(({ address }) => address)].map((pointer) => increase(pointer, i32.const(16))),
        increase(n, i32.const(-4)),
      ),
    ),
    when(
      n.get,
      sequence(
        ...vectors.map(({ address, x }) => loadPart(x, address.get, n.get, 1)),
        before,
        result.set(value),
        storePart(out.get, result, n.get),
      ),
    ),
  );
}

/** Horner's scheme, highest power first. */
function polynomial(x: Code, coefficients: readonly number[], multiplyAdd: MultiplyAdd): Code {
  const [first, ...rest] = coefficients.map((c) => f32x4.const(c));
  return rest.reduce((sum, c) => multiplyAdd(sum, x, c), first);
}

/**
 * eˣ = 2ⁿ · eʳ with |r| ≤ ln 2 / 2, to one unit in the last place; 0 below e⁻¹⁰⁴, infinite above the largest float.
 * Coefficients: Cephes (Moshier), expf.
 */
export function exponential(f: FunctionBuilder, multiplyAdd: MultiplyAdd): (x: Code, into: Local) => Code {
  const [n, r, half] = f.locals("v128", 3);
  const power = (exponent: Code): Code => i32x4.shl(i32x4.add(exponent, i32x4.const(127)), 23);
  return (x, into) =>
    sequence(
      r.set(f32x4.pmin(f32x4.pmax(x, f32x4.const(-104)), f32x4.const(89))),
      n.set(f32x4.nearest(f32x4.mul(r.get, f32x4.const(Math.LOG2E)))),
      r.set(multiplyAdd(n.get, f32x4.const(-0.693359375), r.get)),
      r.set(multiplyAdd(n.get, f32x4.const(2.12194440e-4), r.get)),
      into.set(polynomial(r.get, EXP, multiplyAdd)),
      into.set(multiplyAdd(f32x4.mul(into.get, r.get), r.get, f32x4.add(r.get, f32x4.const(1)))),
      n.set(i32x4.trunc_sat_f32x4_s(n.get)),
      half.set(i32x4.shr_s(n.get, 1)),
      into.set(f32x4.mul(f32x4.mul(into.get, power(half.get)), power(i32x4.sub(n.get, half.get)))),
    );
}

const EXP = [1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];
/** Cephes, tanhf: for |x| < 0.625, tanh x = x + x³ P(x²). */
const TANH = [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1];
/** N. Juffa's approximations of erf, to one unit in the last place: for |x| ≤ 475/512, erf x = x + x P(x²). */
const ERF_NEAR = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1];
const ERF_BOUND = 475 / 512;
/** Beyond, |erf x| = 1 − exp(P(|x|) |x| − |x|). */
const ERF_FAR = [
  -1.72853470e-5,
  3.83197126e-4,
  -3.88396438e-3,
  2.42546219e-2,
  -1.06777877e-1,
  -6.34846687e-1,
  -1.28717512e-1,
];

/** Ops of one operand. */
export type UnaryOp = keyof ReturnType<typeof unaryOps>;

function unaryOps(multiplyAdd: MultiplyAdd) {
  const { add, sub, mul, div, abs, lt } = f32x4;
  const constant = f32x4.const;
  const sign = (x: Code): Code => v128.and(x, i32x4.const(-0x80000000));
  const direct = (value: (x: Code) => Code): VectorOp => (_, [x]) => ({ before: [], value: value(x.get) });

  /** factor · 1 / (1 + e^−u) */
  const logistic = (u: (x: Code) => Code, factor: (x: Code) => Code): VectorOp => (f, [x]) => {
    const [e, scaled] = [f.local("v128"), f.local("v128")];
    const exp = exponential(f, multiplyAdd);
    return {
      before: sequence(scaled.set(f32x4.neg(u(x.get))), exp(scaled.get, e)),
      value: div(factor(x.get), add(e.get, constant(1))),
    };
  };

  const tanh: VectorOp = (f, [x]) => {
    const [e, near, size, square] = f.locals("v128", 4);
    const exp = exponential(f, multiplyAdd);
    return {
      before: sequence(
        size.set(abs(x.get)),
        square.set(mul(x.get, x.get)),
        near.set(multiplyAdd(mul(polynomial(square.get, TANH, multiplyAdd), square.get), x.get, x.get)),
        exp(add(size.get, size.get), e),
        e.set(sub(constant(1), div(constant(2), add(e.get, constant(1))))),
      ),
      value: v128.or(v128.bitselect(near.get, e.get, lt(size.get, constant(0.625))), sign(x.get)), // −0 too
    };
  };

  const erfOf = (f: FunctionBuilder, x: Local): { before: Code; value: Code } => {
    const [e, near, size, square] = f.locals("v128", 4);
    const exp = exponential(f, multiplyAdd);
    return {
      before: sequence(
        size.set(abs(x.get)),
        square.set(mul(x.get, x.get)),
        near.set(multiplyAdd(polynomial(square.get, ERF_NEAR, multiplyAdd), x.get, x.get)),
        size.set(f32x4.pmin(size.get, constant(4))), // erf 4 rounds to 1, and the polynomial is for no more
        e.set(polynomial(size.get, ERF_FAR, multiplyAdd)),
        e.set(multiplyAdd(e.get, size.get, f32x4.neg(size.get))),
        exp(e.get, e),
        e.set(v128.or(sub(constant(1), e.get), sign(x.get))),
      ),
      value: v128.bitselect(e.get, near.get, f32x4.gt(size.get, constant(ERF_BOUND))),
    };
  };
  const gelu: VectorOp = (f, [x]) => {
    const scaled = f.local("v128");
    const { before, value } = erfOf(f, scaled);
    return {
      before: sequence(scaled.set(mul(x.get, constant(Math.SQRT1_2))), before),
      value: mul(mul(x.get, constant(0.5)), add(value, constant(1))),
    };
  };
  /** 2 · √(2/π) (x + 0.044715 x³): (1 + tanh u) / 2 is the logistic function of 2u. */
  const twiceInner = (x: Code): Code => {
    const c = 2 * Math.sqrt(2 / Math.PI);
    return mul(x, multiplyAdd(mul(x, x), constant(0.044715 * c), constant(c)));
  };

  return {
    Neg: direct(f32x4.neg),
    Sqrt: direct(f32x4.sqrt),
    Relu: direct((x) => f32x4.pmax(x, constant(0))),
    Exp: (f, [x]) => {
      const e = f.local("v128");
      return { before: exponential(f, multiplyAdd)(x.get, e), value: e.get };
    },
    Sigmoid: logistic((x) => x, () => constant(1)),
    Tanh: tanh,
    Erf: (f, [x]) => erfOf(f, x),
    relu: direct((x) => f32x4.pmax(x, constant(0))),
    silu: logistic((x) => x, (x) => x),
    gelu,
    gelu_new: logistic(twiceInner, (x) => x),
  } satisfies Readonly<Record<string, VectorOp>>;
}

const COPY: VectorOp = (_, [x]) => ({ before: [], value: x.get });

const binary = (op: (a: Code, b: Code) => Code): VectorOp => (_, [a, b]) => ({ before: [], value: op(a.get, b.get) });

const BINARY_OPS = {
  Add: binary(f32x4.add),
  Sub: binary(f32x4.sub),
  Mul: binary(f32x4.mul),
  Div: binary(f32x4.div),
  /** 1 or 0. */
  Greater: binary((a, b) => v128.and(f32x4.gt(a, b), f32x4.const(1))),
};

/** Ops of two operands. */
export type BinaryOp = keyof typeof BINARY_OPS;

const WHERE: VectorOp = (_, [condition, a, b]) => ({
  before: [],
  value: v128.bitselect(b.get, a.get, f32x4.eq(condition.get, f32x4.const(0))),
});

/** Ops that kernels do element by element. */
export type ElementwiseOp = UnaryOp | "Copy" | BinaryOp | "Where";

/**
 * `{op}_v(out, a, n)`, `{op}_vv(out, a, b, n)` and `Where_vvv(out, condition, a, b, n)`, with `s` for `v` where an operand
 * is one number. `out` may be where a `v` operand is. Booleans are 1 and 0.
 */
export type ElementwiseKernel =
  | `${UnaryOp}_v`
  | `Copy_${Letter}`
  | `${BinaryOp}_${Letter}${Letter}`
  | `Where_${Letter}${Letter}${Letter}`;

/** Every op with every choice of letters. */
function variants<Op extends string, Letters extends string>(
  ops: Readonly<Record<Op, VectorOp>>,
  choices: readonly Letters[],
): Record<`${Op}_${Letters}`, FunctionBuilder> {
  const entries = Object.entries<VectorOp>(ops).flatMap(([name, op]) =>
    choices.map((letters): [string, FunctionBuilder] => [`${name}_${letters}`, elementwise(letters, op)])
  );
  return Object.fromEntries(entries) as Record<`${Op}_${Letters}`, FunctionBuilder>;
}

/** The kernels of elementwise ops. */
export function elementwiseKernels(multiplyAdd: MultiplyAdd): Record<ElementwiseKernel, FunctionBuilder> {
  return {
    ...variants(unaryOps(multiplyAdd), ["v"]),
    ...variants({ Copy: COPY }, ["v", "s"]),
    ...variants(BINARY_OPS, ["vv", "vs", "sv", "ss"]),
    ...variants({ Where: WHERE }, ["vvv", "vvs", "vsv", "vss", "svv", "svs", "ssv", "sss"]),
  };
}
