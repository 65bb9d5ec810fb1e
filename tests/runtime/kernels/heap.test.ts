import assert from "node:assert/strict";
import { add, input, mul } from "../../../lib/graph/mod.ts";
import { Engine } from "../../../lib/runtime/kernels/engine.ts";
import { Heap, PAGE_BYTES } from "../../../lib/runtime/kernels/heap.ts";
import { lower } from "../../../lib/runtime/kernels/lower.ts";
import { canFuse, encodeKernels } from "../../../lib/runtime/kernels/module.ts";
import { plan, type Program } from "../../../lib/runtime/kernels/plan.ts";
import { uniform } from "../../graph/numbers.ts";

const BOTTOM = 4096;

Deno.test("blocks and programs never lie on each other, wherever memory grows to, and inside it", () => {
  const random = uniform(17);
  for (const grows of [true, false]) {
    const limits = { initial: grows ? 16 : 256, maximum: grows ? 32_768 : 256, shared: true };
    const memory = new WebAssembly.Memory(limits);
    const heap = new Heap(memory, BOTTOM, grows);
    const held: { start: number; end: number }[] = [];
    let moves = 0;
    let refused = 0;
    for (let turn = 0; turn < 3000; turn++) {
      const base = heap.base;
      const bytes = Math.ceil(2 ** (random() * 26));
      const program = { start: base, end: base };
      if (held.length > 12 && random() < 0.5) {
        const [{ start }] = held.splice(Math.floor(random() * held.length), 1);
        heap.release(start);
      } else {
        try {
          if (random() < 0.5) {
            const start = heap.allocate(bytes);
            held.push({ start, end: start + bytes });
          } else {
            program.start = heap.room(bytes);
            program.end = program.start + bytes;
            assert.equal(heap.room(bytes), program.start, "a second time it is the same");
            if (program.start !== base) moves++;
          }
        } catch (error) {
          assert.ok(error instanceof RangeError);
          refused++;
        }
      }
      const all = [...held, program].filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
      all.forEach(({ start, end }, i) => {
        assert.equal(start % 64, 0);
        assert.ok(start >= BOTTOM && end <= (all[i + 1]?.start ?? memory.buffer.byteLength));
      });
    }
    assert.ok(grows ? moves > 0 && refused === 0 : refused > 0, `${moves} moves, ${refused} refused`);
    assert.ok(!grows || memory.buffer.byteLength > 16 * PAGE_BYTES);
  }
});

Deno.test("graphs on memory that grows: what was allocated before is read where it is, and programs move", async () => {
  const limits = { initial: 256, maximum: 16_384, shared: true };
  const memory = new WebAssembly.Memory(limits);
  const module = await WebAssembly.compile(encodeKernels(limits, canFuse()));
  const engine = new Engine(module, memory, limits);
  const graph = { y: add(mul(input("x", ["n"]), input("w", ["n"])), 1) };
  const programFor = (n: number, inPlace: readonly string[]): Program => {
    const make = (): Program => plan(lower(graph, { x: [n], w: [n] }), { ...engine.target, inPlace: new Set(inPlace) });
    const first = make();
    return engine.makeRoom(first) ? first : make();
  };
  const run = (x: Float32Array, w: Float32Array): Float32Array => {
    const dims = [x.length];
    const inPlace = Object.entries({ x, w }).filter(([, data]) => engine.holds(data)).map(([name]) => name);
    return engine.run(programFor(x.length, inPlace), { x: { dims, data: x }, w: { dims, data: w } }, 1).y.data;
  };
  const early = engine.allocate(1000);
  early.forEach((_, i) => early[i] = i);
  const bases = new Set<number>();
  for (const n of [1000, 5_000_000, 1000, 9_000_000, 20_000_000]) {
    const late = engine.allocate(n);
    late.fill(3);
    assert.ok(engine.holds(early) && engine.holds(late));
    const y = run(new Float32Array(n).fill(2), late);
    assert.ok(y.every((value) => value === 7), `${n}`);
    const ofEarly = run(early, new Float32Array(1000).fill(2));
    ofEarly.forEach((value, i) => assert.equal(value, 2 * i + 1));
    bases.add(engine.target.base);
    engine.release(late.byteOffset);
  }
  assert.ok(bases.size > 1, "no program had to move");
  assert.ok(memory.buffer.byteLength > 256 * PAGE_BYTES);
});
