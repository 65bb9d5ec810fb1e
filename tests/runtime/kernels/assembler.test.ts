import assert from "node:assert/strict";
import {
  call,
  type Code,
  encodeModule,
  f32,
  f32x4,
  f64,
  f64x2,
  FunctionBuilder,
  i32,
  i32x4,
  increase,
  loopWhile,
  multiplyThenAdd,
  relaxedMultiplyAdd,
  sequence,
  v128,
  when,
} from "../../../lib/runtime/kernels/assembler.ts";
import { canFuse, encodeKernels } from "../../../lib/runtime/kernels/module.ts";

const LIMITS = { initial: 2, maximum: 3, shared: true };

/** Instructions that the kernels do not need. */
const storeInt = (address: Code, value: Code): Code => [address, value, 0x36, 2, 0];
const storeDouble = (address: Code, value: Code): Code => [address, value, 0x39, 3, 0];

/** A module's functions and its memory. */
function open(
  functions: Readonly<Record<string, FunctionBuilder>>,
): { run: Record<string, (...x: number[]) => void>; memory: SharedArrayBuffer } {
  const bytes = encodeModule(functions, LIMITS);
  assert.ok(WebAssembly.validate(bytes));
  const memory = new WebAssembly.Memory(LIMITS);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return { run: exports as Record<string, () => void>, memory: memory.buffer as unknown as SharedArrayBuffer };
}

/** A function `f` without parameters. */
const doing = (...body: Code[]): Record<"f", FunctionBuilder> => ({ f: new FunctionBuilder(0).body(...body) });

Deno.test("integers are encoded, whatever their size", () => {
  const edges = [0, 6, 7, 13, 14, 20, 21, 27, 28, 31].flatMap((bits) => {
    const power = 2 ** bits;
    return [power - 1, power, power + 1, -power + 1, -power, -power - 1];
  }).filter((x) => x >= -(2 ** 31) && x < 2 ** 31);
  const { run, memory } = open(doing(...edges.map((x, i) => storeInt(i32.const(4 * i), i32.const(x)))));
  run.f();
  assert.deepEqual([...new Int32Array(memory, 0, edges.length)], edges);
});

Deno.test("offsets are encoded, whatever their size", () => {
  const offsets = [0, 4, 124, 128, 16_380, 16_384, 65_532, 2 * 65_536 - 4];
  const { run, memory } = open(doing(...offsets.map((offset, i) => f32.store(i32.const(0), f32.const(i + 1), offset))));
  run.f();
  const floats = new Float32Array(memory);
  assert.deepEqual(offsets.map((offset) => floats[offset / 4]), offsets.map((_, i) => i + 1));
});

Deno.test("floats are encoded bit by bit", () => {
  const numbers = [0, -0, 1, -1.5, 1e-45, 3.4028234663852886e38, Infinity, -Infinity, NaN, 0.1];
  const { run, memory } = open(doing(...numbers.map((x, i) => f32.store(i32.const(4 * i), f32.const(x)))));
  run.f();
  assert.deepEqual([...new Float32Array(memory, 0, numbers.length)], [...Float32Array.from(numbers)]);
});

Deno.test("a loop runs as often as its condition holds, not at all if it never does", () => {
  const f = new FunctionBuilder(2);
  const [n, out] = f.parameters;
  const count = f.local("i32");
  f.body(
    loopWhile(n.get, sequence(increase(count, i32.const(1)), increase(n, i32.const(-1)))),
    storeInt(out.get, count.get),
  );
  const { run, memory } = open({ f });
  for (const turns of [0, 1, 2, 1000]) {
    run.f(turns, 8);
    assert.equal(new Int32Array(memory)[2], turns);
  }
});

Deno.test("loops in loops, and branches in loops", () => {
  const f = new FunctionBuilder(1);
  const [n] = f.parameters;
  const [outer, inner, even, odd] = f.locals("i32", 4);
  f.body(
    loopWhile(
      i32.lt_s(outer.get, n.get),
      sequence(
        inner.set(i32.const(0)),
        loopWhile(
          i32.lt_s(inner.get, outer.get),
          sequence(
            when(i32.and(inner.get, i32.const(1)), increase(odd, i32.const(1)), increase(even, i32.const(1))),
            increase(inner, i32.const(1)),
          ),
        ),
        increase(outer, i32.const(1)),
      ),
    ),
    when(i32.eq(outer.get, i32.const(0)), even.set(i32.const(-7))),
    storeInt(i32.const(0), even.get),
    storeInt(i32.const(4), odd.get),
  );
  const { run, memory } = open({ f });
  run.f(6); // pairs inner < outer < 6
  assert.deepEqual([...new Int32Array(memory, 0, 2)], [9, 6]);
  run.f(0);
  assert.deepEqual([...new Int32Array(memory, 0, 2)], [-7, 0]);
});

Deno.test("many variables of all types, each its own and 0 at first", () => {
  const f = new FunctionBuilder(2);
  const [first, second] = f.parameters;
  const [ints, floats, doubles, vectors] = [
    f.locals("i32", 100),
    f.locals("f32", 100),
    f.locals("f64", 2),
    f.locals("v128", 100),
  ];
  const firstUnset = f.local("i32");
  f.body(
    ...ints.map((local, i) => local.set(i32.add(first.get, i32.const(i)))),
    ...floats.map((local, i) => local.set(f32.const(i + 0.5))),
    ...doubles.map((local, i) => local.set(f64.convert_i32_s(i32.const(i + 7)))),
    ...vectors.map((local, i) => local.set(f32x4.const(-i))),
    ...ints.map((local, i) => storeInt(i32.const(4 * i), local.get)),
    ...floats.map((local, i) => f32.store(i32.const(400 + 4 * i), local.get)),
    ...doubles.map((local, i) => storeDouble(i32.const(800 + 8 * i), local.get)),
    ...vectors.map((local, i) => v128.store(i32.const(1024 + 16 * i), local.get)),
    storeInt(i32.const(4096), firstUnset.get),
    storeInt(i32.const(4100), second.get),
  );
  const { run, memory } = open({ f });
  new Int32Array(memory)[1024] = 5;
  run.f(1000, -3);
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  assert.deepEqual([...new Int32Array(memory, 0, 100)], upTo(100).map((i) => 1000 + i));
  assert.deepEqual([...new Float32Array(memory, 400, 100)], upTo(100).map((i) => i + 0.5));
  assert.deepEqual([...new Float64Array(memory, 800, 2)], [7, 8]);
  assert.deepEqual([...new Float32Array(memory, 1024, 400)], upTo(400).map((i) => -Math.floor(i / 4)));
  assert.deepEqual([...new Int32Array(memory, 4096, 2)], [0, -3]);
});

Deno.test("many functions with long names and long bodies call each other; what is called comes along", () => {
  const inner = new FunctionBuilder(1);
  const [x] = inner.parameters;
  inner.body(...new Array(5000).fill(increase(x, i32.const(1))), storeInt(i32.const(0), x.get));
  const outer = (factor: number, callee: FunctionBuilder): FunctionBuilder => {
    const f = new FunctionBuilder(1);
    return f.body(call(callee, i32.mul(f.parameters[0].get, i32.const(factor))));
  };
  const functions = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`${"long".repeat(40)}${i}`, outer(i, outer(2, inner))]),
  );
  const { run, memory } = open(functions);
  assert.deepEqual(Object.keys(run), Object.keys(functions));
  Object.values(run).forEach((f, i) => {
    f(21);
    assert.equal(new Int32Array(memory)[0], 5000 + 42 * i);
  });
});

Deno.test("instructions on single numbers do what their names say", () => {
  const ints: [Code, number][] = [
    [i32.add(i32.const(2 ** 31 - 1), i32.const(1)), -(2 ** 31)],
    [i32.sub(i32.const(3), i32.const(5)), -2],
    [i32.mul(i32.const(65_536), i32.const(65_537)), 65_536],
    [i32.and(i32.const(12), i32.const(10)), 8],
    [i32.shl(i32.const(3), i32.const(4)), 48],
    [i32.eq(i32.const(-1), i32.const(-1)), 1],
    [i32.eq(i32.const(-1), i32.const(1)), 0],
    [i32.lt_s(i32.const(-1), i32.const(0)), 1],
    [i32.lt_s(i32.const(0), i32.const(0)), 0],
    [i32.ge_s(i32.const(0), i32.const(0)), 1],
    [i32.ge_s(i32.const(-1), i32.const(0)), 0],
  ];
  const floats: [Code, number][] = [
    [f32.add(f32.const(1.5), f32.const(2)), 3.5],
    [f32.sub(f32.const(1.5), f32.const(2)), -0.5],
    [f32.mul(f32.const(1.5), f32.const(-2)), -3],
    [f32.div(f32.const(1), f32.const(-0)), -Infinity],
    [f32.max(f32.const(-1), f32.const(2)), 2],
    [f32.demote_f64(f64.div(f64.convert_i32_s(i32.const(1)), f64.convert_i32_s(i32.const(3)))), Math.fround(1 / 3)],
    [f32.demote_f64(f64.add(f64.convert_i32_s(i32.const(1)), f64.convert_i32_s(i32.const(-3)))), -2],
    [f32x4.extract_lane(f32x4.splat(f32.const(7)), 3), 7],
  ];
  const { run, memory } = open(doing(
    ...ints.map(([code], i) => storeInt(i32.const(4 * i), code)),
    ...floats.map(([code], i) => f32.store(i32.const(1024 + 4 * i), code)),
    storeInt(i32.const(2048), i32.load(i32.const(0), 4)),
    f32.store(i32.const(2052), f32.load(i32.const(1024), 4)),
  ));
  run.f();
  ints.forEach(([, want], i) => assert.equal(new Int32Array(memory)[i], want, `integers ${i}`));
  floats.forEach(([, want], i) => assert.equal(new Float32Array(memory, 1024)[i], want, `floats ${i}`));
  assert.equal(new Int32Array(memory)[512], -2);
  assert.equal(new Float32Array(memory)[513], -0.5);
});

Deno.test("instructions on vectors do what their names say, lane by lane", () => {
  const a = [1.5, -2, NaN, -0];
  const b = [-0.25, 3, 1, 0];
  const mask = (holds: readonly boolean[]): number[] => holds.map((x) => x ? -1 : 0);
  const bits = (x: readonly number[]): number[] => [...new Int32Array(Float32Array.from(x).buffer)];
  const lanes = (f: (x: number, y: number) => number): number[] => a.map((x, i) => f(x, b[i]));
  const [x, y] = [v128.load(i32.const(0)), v128.load(i32.const(0), 16)];
  const [m, n] = [v128.load(i32.const(32)), v128.load(i32.const(48))];
  const [p, q] = [[1, -5, 2 ** 31 - 1, 255], [3, -7, 1, 15]];
  const integers = (f: (x: number, y: number) => number): number[] => p.map((x, i) => f(x, q[i]) | 0);
  const cases: Record<string, [Code, number[]]> = {
    add: [f32x4.add(x, y), bits(lanes((x, y) => x + y))],
    sub: [f32x4.sub(x, y), bits(lanes((x, y) => x - y))],
    mul: [f32x4.mul(x, y), bits(lanes((x, y) => x * y))],
    div: [f32x4.div(y, x), bits(lanes((x, y) => y / x))],
    pmin: [f32x4.pmin(x, y), bits(lanes((x, y) => y < x ? y : x))],
    pmax: [f32x4.pmax(x, y), bits(lanes((x, y) => x < y ? y : x))],
    abs: [f32x4.abs(x), bits(a.map(Math.abs))],
    neg: [f32x4.neg(y), bits(b.map((x) => -x))],
    sqrt: [f32x4.sqrt(y), bits([NaN, Math.sqrt(3), 1, 0])],
    nearest: [f32x4.nearest(f32x4.const(2.5)), bits([2, 2, 2, 2])],
    equal: [f32x4.eq(x, y), mask([false, false, false, true])],
    lessThan: [f32x4.lt(x, y), mask([false, true, false, false])],
    greaterThan: [f32x4.gt(x, y), mask([true, false, false, false])],
    toInts: [i32x4.trunc_sat_f32x4_s(x), [1, -2, 0, 0]],
    toIntsFar: [i32x4.trunc_sat_f32x4_s(f32x4.const(-1e20)), new Array(4).fill(-(2 ** 31))],
    splat: [f32x4.splat(f32.const(-4)), bits([-4, -4, -4, -4])],
    loadSplat: [v128.load32_splat(i32.const(0), 20), bits([3, 3, 3, 3])],
    loadLane: [v128.load32_lane(i32.const(4), y, 2), bits([-0.25, 3, -2, 0])],
    shuffle: [f32x4.shuffle(x, y, [7, 0, 5, 1]), bits([0, 1.5, 3, -2])],
    addIntegers: [i32x4.add(m, n), integers((x, y) => x + y)],
    subIntegers: [i32x4.sub(m, n), integers((x, y) => x - y)],
    shiftLeft: [i32x4.shl(m, 23), integers((x) => x << 23)],
    shiftRight: [i32x4.shr_s(m, 1), integers((x) => x >> 1)],
    integers: [i32x4.const(-(2 ** 31)), new Array(4).fill(-(2 ** 31))],
    and: [v128.and(m, n), integers((x, y) => x & y)],
    andNot: [v128.andnot(m, n), integers((x, y) => x & ~y)],
    or: [v128.or(m, n), integers((x, y) => x | y)],
    select: [v128.bitselect(m, n, i32x4.const(0xff)), integers((x, y) => (x & 0xff) | (y & ~0xff))],
    multiplyThenAdd: [multiplyThenAdd(y, f32x4.const(2), f32x4.const(1)), bits(b.map((x) => 2 * x + 1))],
  };
  const entries = Object.entries(cases);
  const { run, memory } = open(doing(
    ...entries.map(([, [code]], i) => v128.store(i32.const(1024 + 16 * i), code)),
    v128.store32_lane(i32.const(8192), y, 1, 4),
  ));
  new Float32Array(memory).set([...a, ...b]);
  new Int32Array(memory).set([...p, ...q], 8);
  run.f();
  const isNaNBits = (word: number): boolean => (word & 0x7fffffff) > 0x7f800000;
  entries.forEach(([name, [, want]], i) => {
    const got = [...new Int32Array(memory, 1024 + 16 * i, 4)];
    got.forEach((word, lane) => {
      const isMask = want[lane] === -1;
      assert.ok(
        word === want[lane] || (!isMask && isNaNBits(word) && isNaNBits(want[lane])),
        `${name}, lane ${lane}: ${word}, not ${want[lane]}`,
      );
    });
  });
  assert.deepEqual([...new Float32Array(memory, 8192, 4)], [0, 3, 0, 0]);
});

Deno.test("doubles: two at a time, and a product is added to", () => {
  const functions = doing(
    f32.store(i32.const(0), f32.demote_f64(f64x2.extract_lane(f64x2.promote_low_f32x4(v128.load(i32.const(64))), 1))),
    f32.store(
      i32.const(4),
      f32.demote_f64(f64x2.extract_lane(
        f64x2.add(f64x2.promote_low_f32x4(v128.load(i32.const(64))), f64x2.promote_low_f32x4(v128.load(i32.const(64)))),
        0,
      )),
    ),
  );
  const { run, memory } = open(functions);
  new Float32Array(memory).set([1.25, -3], 16);
  run.f();
  assert.deepEqual([...new Float32Array(memory, 0, 2)], [-3, 2.5]);
});

Deno.test("a product added to a sum is rounded once where that can be", () => {
  if (!canFuse()) return;
  const x = 1 + 2 ** -12; // its square needs more than 24 bits
  const { run, memory } = open(
    doing(v128.store(i32.const(0), relaxedMultiplyAdd(f32x4.const(x), f32x4.const(x), f32x4.const(-1)))),
  );
  run.f();
  const got = new Float32Array(memory)[0];
  assert.ok([x * x - 1, Math.fround(x * x) - 1].includes(got), `${got}`);
});

Deno.test("the kernels' module is valid, with fused products and without", () => {
  for (const [fused, shared] of [[false, true], [false, false], [canFuse(), true], [canFuse(), false]]) {
    assert.ok(WebAssembly.validate(encodeKernels({ initial: 1, maximum: 65_535, shared }, fused)));
  }
});
