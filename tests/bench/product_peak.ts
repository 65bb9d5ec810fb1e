/** A large float32 product on a device: `deno run -A tests/bench/product_peak.ts DEVICE` prints operations per second. */
import { input, matMul } from "../../lib/graph/mod.ts";
import { createRuntime, type Device } from "../../lib/runtime/runtime.ts";

const SIZE = 2048;
const RUNS = 5;

await using runtime = await createRuntime({ device: Deno.args[0] as Device });
const session = await runtime.session({
  product: matMul(input("a", [SIZE, SIZE]), input("b", [SIZE, SIZE])),
});
const matrix = {
  dims: [SIZE, SIZE],
  data: Float32Array.from({ length: SIZE * SIZE }, (_, i) => (i * 7919 % 1000) / 1000),
};
const seconds: number[] = [];
for (let run = 0; run < RUNS; run++) {
  const start = performance.now();
  await session.run({ a: matrix, b: matrix });
  seconds.push((performance.now() - start) / 1000);
}
const [name, version] = runtime.version;
const versions = { [name]: version };
console.log(JSON.stringify({ operations_per_second: 2 * SIZE ** 3 / Math.min(...seconds), versions }));
