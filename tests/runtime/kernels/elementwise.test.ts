import assert from "node:assert/strict";
import type { BinaryOp, UnaryOp } from "../../../lib/runtime/kernels/elementwise.ts";
import type { Kernel, ThreadContext } from "../../../lib/runtime/kernels/thread_context.ts";
import { erfExact } from "../../graph/evaluate.ts";
import { draw, uniform } from "../../graph/numbers.ts";
import { openKernels } from "./open_kernels.ts";
import { assertSame } from "./run_graph.ts";
import { erf, erfc, gelu, geluNew, sigmoid, unitsApart } from "./references.ts";

const KERNELS = openKernels();

/** What stands around results, and must stay. */
const GUARD = -12345.5;
const GUARDS = 8;
/** Where operands and results lie, in numbers; `at` shifts them off the places where vectors begin. */
const OUT = 1024;
const OPERANDS = [100_000, 200_000, 300_000];

const kernelOf = (kernels: Readonly<Record<string, Kernel>>, name: string): Kernel => kernels[name];

/** Runs a kernel on arrays of n numbers, or on arrays of one; fails if it writes anything but its n results. */
function run(
  { kernels, floats }: ThreadContext,
  name: string,
  operands: readonly Float32Array[],
  n: number,
  at = 0,
): Float32Array {
  const out = OUT + at;
  floats.fill(GUARD, out - GUARDS, out + n + GUARDS);
  operands.forEach((numbers, i) => floats.set(numbers, OPERANDS[i] + at));
  kernelOf(kernels, name)(4 * out, ...operands.map((_, i) => 4 * (OPERANDS[i] + at)), n);
  const around = [...floats.subarray(out - GUARDS, out), ...floats.subarray(out + n, out + n + GUARDS)];
  assert.ok(around.every((x) => x === GUARD), `${name} of ${n} writes past its results`);
  operands.forEach((numbers, i) => {
    const now = floats.subarray(OPERANDS[i] + at, OPERANDS[i] + at + numbers.length);
    assert.ok(now.every((x, i) => Object.is(x, numbers[i])), `${name} of ${n} changes an operand`);
  });
  return floats.slice(out, out + n);
}

interface Unary {
  readonly want: (x: number) => number;
  /** How far off a result may be: units in the last place, and beside them a part of the largest of 1 and |x|. */
  readonly units: number;
  readonly part?: number;
}

/** Half a unit is what rounding costs; bounds are the worst of millions of random numbers, and a tenth. */
const UNARY: Readonly<Record<UnaryOp, Unary>> = {
  Neg: { want: (x) => -x, units: 0 },
  Sqrt: { want: Math.sqrt, units: 0.5 },
  Relu: { want: (x) => x < 0 ? 0 : x, units: 0 },
  relu: { want: (x) => x < 0 ? 0 : x, units: 0 },
  Exp: { want: Math.exp, units: 1.4 },
  Tanh: { want: Math.tanh, units: 1.5 },
  Erf: { want: erf, units: 1.25 },
  Sigmoid: { want: sigmoid, units: 3.5, part: 3e-39 }, // e⁻ˣ beyond the largest float is infinite
  silu: { want: (x) => x * sigmoid(x), units: 3.3, part: 3e-39 },
  gelu: { want: gelu, units: 0, part: 1.25e-7 }, // 1 + erf: the tail is what rounding leaves of it
  gelu_new: { want: geluNew, units: 0, part: 1.3e-7 },
};

/** Numbers of all sizes: dense around 0, sparser up to ±110, and powers of two down to the smallest. */
function manyNumbers(): Float32Array {
  const random = uniform(5);
  const numbers = [20, 110].flatMap((range) => Array.from({ length: 40_000 }, () => range * (2 * random() - 1)));
  for (let exponent = -149; exponent <= 127; exponent++) {
    for (const x of [1, 1 + random(), 1.9999999]) numbers.push(x * 2 ** exponent, -x * 2 ** exponent);
  }
  return Float32Array.from(numbers);
}

Deno.test("the references agree with exact ones", () => {
  for (const x of [1e-3, 0.1, 0.5, 1, 1.9, 2.1, 3, 4.5, 5.9, -0.7, -2.5]) {
    const want = erfExact(x);
    assert.ok(Math.abs(erf(x) - want) <= 2e-15 * Math.abs(want), `erf ${x}`);
    if (x < 3) assert.ok(Math.abs(erfc(x) - (1 - want)) <= 2e-15, `erfc ${x}`);
  }
  assert.ok(Math.abs(erfc(4) / 1.541725790028002e-8 - 1) < 1e-13); // Abramowitz and Stegun, table 7.3
  assert.equal(unitsApart(1 + 2 ** -23, 1), 1);
  assert.equal(unitsApart(2 ** -149, 0), 1);
  assert.equal(unitsApart(1, NaN), Infinity);
});

for (const { name: variant, context } of KERNELS) {
  for (const [name, { want, units, part = 0 }] of Object.entries(UNARY)) {
    Deno.test(`${variant}: ${name} of numbers of all sizes`, () => {
      const x = manyNumbers();
      const got = run(context, `${name}_v`, [x], x.length);
      x.forEach((x, i) => {
        const exact = want(x);
        const isNear = Math.abs(got[i] - exact) <= part * Math.max(1, Math.abs(x));
        if (!isNear) {
          const apart = unitsApart(got[i], exact);
          assert.ok(apart <= units, `${name} ${x} is ${got[i]}, not ${exact}: ${apart} units`);
        }
      });
    });
  }

  Deno.test(`${variant}: functions at their edges`, () => {
    const odd = [0, -0, Infinity, -Infinity, NaN];
    const at = (name: string, ...x: number[]): number[] => [
      ...run(context, `${name}_v`, [Float32Array.from(x)], x.length),
    ];
    assert.deepEqual(at("Neg", ...odd), [-0, 0, -Infinity, Infinity, NaN]);
    assert.deepEqual(at("Sqrt", ...odd), [0, -0, Infinity, NaN, NaN]);
    assert.deepEqual(at("Exp", ...odd), [1, 1, Infinity, 0, NaN]);
    assert.deepEqual(at("Tanh", ...odd), [0, -0, 1, -1, NaN]);
    assert.deepEqual(at("Erf", ...odd), [0, -0, 1, -1, NaN]);
    assert.deepEqual(at("Sigmoid", ...odd), [0.5, 0.5, 1, 0, NaN]);
    for (const name of ["Relu", "relu"]) assert.deepEqual(at(name, ...odd), [0, -0, Infinity, 0, NaN]);
    for (const name of ["silu", "gelu", "gelu_new"]) {
      assert.deepEqual(at(name, 0, -0, Infinity, NaN), [0, -0, Infinity, NaN], name);
    }
    // The largest with a finite result, the next; the smallest that is not 0, one below.
    const [last, next] = [88.72283172607422, 88.72283935546875];
    const [[large, infinite], [small, none]] = [at("Exp", last, next), at("Exp", -103.27892, -104)];
    assert.ok(unitsApart(large, Math.exp(last)) <= 1.4);
    assert.deepEqual([infinite, small, none], [Infinity, 2 ** -149, 0]);
    assert.deepEqual(at("Exp", 1e4, -1e4, 3.4e38, -3.4e38, -1e30), [Infinity, 0, Infinity, 0, 0]);
    assert.deepEqual(at("Tanh", 100, -100, 1e30, 1e-45, -1e-45), [1, -1, 1, 2 ** -149, -(2 ** -149)]);
    assert.deepEqual(at("Erf", 3.95, -3.95, 1e30), [1, -1, 1]);
    assert.deepEqual(at("Sigmoid", 100, -100, 1e30, -1e30), [1, 0, 1, 0]);
    for (const name of ["silu", "gelu", "gelu_new"]) {
      assert.deepEqual(at(name, 1e30, -1e30).map(Math.abs), [Math.fround(1e30), 0], name);
    }
  });

  Deno.test(`${variant}: counts of 0 to 9 and more than a unit of work, at every place`, () => {
    const random = uniform(6);
    for (const [name, { want, units, part = 0 }] of Object.entries(UNARY)) {
      for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8193, 8195]) {
        const x = Float32Array.from({ length: n }, () => draw(random, "all") * 4);
        const got = run(context, `${name}_v`, [x], n, n % 4);
        assert.ok(
          x.every((x, i) =>
            unitsApart(got[i], want(x)) <= units || Math.abs(got[i] - want(x)) <= part * Math.max(1, Math.abs(x))
          ),
          `${name} of ${n}`,
        );
      }
    }
  });

  const BINARY: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
    Add: (a, b) => a + b,
    Sub: (a, b) => a - b,
    Mul: (a, b) => a * b,
    Div: (a, b) => a / b,
    Greater: (a, b) => a > b ? 1 : 0,
  };
  const ODD = [0, -0, 1, -1, Infinity, -Infinity, NaN, 1e-45, 3e38, 1e-39];

  Deno.test(`${variant}: ops of two operands, each many numbers or one, are rounded once`, () => {
    const random = uniform(7);
    for (const [name, op] of Object.entries(BINARY)) {
      for (const letters of ["vv", "vs", "sv", "ss"]) {
        for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 8197]) {
          const [a, b] = [...letters].map((letter) =>
            Float32Array.from(
              { length: letter === "v" ? n : 1 },
              (_, i) =>
                n === 100 ? ODD[Math.floor(i / ([...letters].indexOf(letter) * 9 + 1)) % 10] : draw(random, "all"),
            )
          );
          const got = run(context, `${name}_${letters}`, [a, b], n, n % 4);
          got.forEach((x, i) => {
            const [left, right] = [a[letters[0] === "v" ? i : 0], b[letters[1] === "v" ? i : 0]];
            assert.equal(x, Math.fround(op(left, right)), `${name}_${letters}: ${left}, ${right}`);
          });
        }
      }
    }
  });

  Deno.test(`${variant}: all pairs of odd numbers`, () => {
    const [a, b] = [ODD.flatMap((x) => ODD.map(() => x)), ODD.flatMap(() => ODD)].map((x) => Float32Array.from(x));
    for (const [name, op] of Object.entries(BINARY)) {
      const got = run(context, `${name}_vv`, [a, b], a.length);
      got.forEach((x, i) => assert.equal(x, Math.fround(op(a[i], b[i])), `${name}: ${a[i]}, ${b[i]}`));
    }
  });

  Deno.test(`${variant}: Where and Copy, every operand many numbers or one`, () => {
    const random = uniform(8);
    for (const letters of ["vvv", "vvs", "vsv", "vss", "svv", "svs", "ssv", "sss"]) {
      for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8194]) {
        const lengthOf = (i: number): number => letters[i] === "v" ? n : 1;
        const condition = Float32Array.from({ length: lengthOf(0) }, () => random() < 0.5 ? 1 : 0);
        const a = Float32Array.from({ length: lengthOf(1) }, (_, i) => i % 5 === 0 ? NaN : i);
        const b = Float32Array.from({ length: lengthOf(2) }, (_, i) => i % 7 === 0 ? -Infinity : -i);
        const got = run(context, `Where_${letters}`, [condition, a, b], n, n % 4);
        const pick = (x: Float32Array, i: number): number => x[x.length === 1 ? 0 : i];
        got.forEach((x, i) => assert.equal(x, pick(condition, i) ? pick(a, i) : pick(b, i), `${letters} ${i}`));
      }
    }
    for (const n of [0, 1, 2, 3, 4, 5, 9, 8193]) {
      const x = Float32Array.from({ length: n }, (_, i) => i % 3 === 0 ? NaN : -i);
      assertSame(run(context, "Copy_v", [x], n, 1), x, `a copy of ${n}`);
      assertSame(run(context, "Copy_s", [Float32Array.of(7)], n, 3), new Float32Array(n).fill(7), `${n} copies`);
    }
  });

  Deno.test(`${variant}: results may stand where an operand stood`, () => {
    const random = uniform(9);
    const { kernels, floats } = context;
    const names = Object.keys(kernels).filter((name) => /^[A-Za-z]+(_new)?_[vs]+$/.test(name) && /_.*v/.test(name));
    assert.equal(names.length, Object.keys(UNARY).length + 1 + 5 * 3 + 7);
    for (const name of names) {
      const letters = name.slice(name.lastIndexOf("_") + 1);
      const operands = [...letters].map((letter) =>
        Float32Array.from({ length: letter === "v" ? 103 : 1 }, () => draw(random, "all"))
      );
      const want = run(context, name, operands, 103, 1);
      for (let i = 0; i < letters.length; i++) {
        if (letters[i] === "s") continue;
        operands.forEach((numbers, i) => floats.set(numbers, OPERANDS[i]));
        kernelOf(kernels, name)(4 * OPERANDS[i], ...operands.map((_, i) => 4 * OPERANDS[i]), 103);
        assert.deepEqual(floats.slice(OPERANDS[i], OPERANDS[i] + 103), want, `${name} in place of ${i}`);
      }
    }
  });
}
