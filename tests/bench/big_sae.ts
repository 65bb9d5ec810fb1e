/**
 * How time and memory of `attribute` grow with the SAE: `deno run -A tests/bench/big_sae.ts [--sizes 65536,262144,1048576]
 * [--rounds 3] [--dir .bench]`. Needs the model that bench.ts makes in `.bench`; writes synthetic standard SAEs beside it
 * (float16, 3 KB per feature, 3.2 GB for the largest) and deletes each after its turn.
 */
import { parseArgs } from "node:util";
import { measure, median } from "./process.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    sizes: { type: "string", default: "65536,262144,1048576" },
    rounds: { type: "string", default: "3" },
    dir: { type: "string", default: `${ROOT}.bench` },
  },
});

const D = 768;
/** Elements of one piece that is written. */
const PIECE = 2 ** 20;
/** Standard deviation of an element, so that rows have norm about 1, and of x · (W_enc column) in this model. */
const STD = D ** -0.5;
const PROJECTED_STD = 18.5;
const ACTIVE_FEATURES = 60;

/** Random numbers in [−√3, √3) · STD, from which weights are pieced together. */
const pool = new Float16Array(2 * PIECE);
for (let i = 0, seed = 1; i < pool.length; i++) {
  seed = Math.imul(seed, 1664525) + 1013904223 | 0;
  pool[i] = (seed / 2 ** 31) * Math.sqrt(3) * STD;
}

function* noise(count: number, seed: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let left = count; left > 0; left -= PIECE) {
    seed = Math.imul(seed, 22695477) + 1 | 0;
    const from = (seed >>> 8) % PIECE;
    yield new Uint8Array(pool.buffer, 2 * from, 2 * Math.min(left, PIECE));
  }
}

/** The threshold that about ACTIVE_FEATURES of the features pass: a normal distribution's tail, by bisection. */
function bias(dSae: number): number {
  const tail = (z: number): number => {
    let sum = 0;
    for (let x = z; x < z + 6; x += 1e-3) sum += 1e-3 * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    return sum;
  };
  let [low, high] = [0, 8];
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (tail(middle) > ACTIVE_FEATURES / dSae) low = middle;
    else high = middle;
  }
  return -low * PROJECTED_STD;
}

async function makeSae(directory: string, dSae: number): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const config = {
    ...{ architecture: "standard", d_in: D, d_sae: dSae, apply_b_dec_to_input: true, normalize_activations: "none" },
    metadata: { model_name: "gpt2-small", hook_name: "blocks.10.hook_resid_pre", prepend_bos: true },
  };
  await Deno.writeTextFile(`${directory}/cfg.json`, JSON.stringify(config));
  const shapes: [name: string, dtype: "F16" | "F32", shape: number[]][] = [
    ["W_enc", "F16", [D, dSae]],
    ["W_dec", "F16", [dSae, D]],
    ["b_enc", "F32", [dSae]],
    ["b_dec", "F32", [D]],
  ];
  let offset = 0;
  const header = Object.fromEntries(shapes.map(([name, dtype, shape]) => {
    const bytes = shape.reduce((a, b) => a * b, dtype === "F16" ? 2 : 4);
    offset += bytes;
    return [name, { dtype, shape, data_offsets: [offset - bytes, offset] }];
  }));
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  using file = await Deno.open(`${directory}/sae_weights.safetensors`, { write: true, create: true, truncate: true });
  const write = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
  };
  await write(length);
  await write(text);
  for (const seed of [2, 3]) for (const piece of noise(D * dSae, seed)) await write(piece);
  await write(new Uint8Array(new Float32Array(dSae).fill(bias(dSae)).buffer));
  await write(new Uint8Array(new Float32Array(D).buffer));
}

function attribute(directory: string): string[] {
  return [
    ...["run", "-A", `${ROOT}cli.ts`, "attribute", " Tiger Woods plays the sport of"],
    ...["--pos-id", "13126", "--neg-id", "20790", "--model", `${options.dir}/gpt2-shape`, "--sae", directory],
    // The random SAE explains nothing: with a guessed form of the model, the other one would be tried too.
    ...["--processing", "default", "--quiet", "--format", "csv"],
  ];
}

console.log("features, seconds (median), peak memory in MiB, rows");
for (const dSae of options.sizes.split(",").map(Number)) {
  const directory = `${options.dir}/big-sae-${dSae}`;
  try {
    await makeSae(directory, dSae);
    const runs = [];
    for (let round = 0; round < Number(options.rounds); round++) {
      runs.push(await measure(Deno.execPath(), attribute(directory)));
    }
    const seconds = median(runs.map((run) => run.seconds));
    const peak = Math.max(...runs.map(({ peakMemory }) => peakMemory));
    console.log(`${dSae}, ${seconds.toFixed(2)}, ${peak}, ${runs[0].stdout.split("\n").length - 2}`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
