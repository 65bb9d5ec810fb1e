import assert from "node:assert/strict";
import { gpt2 } from "../../models/gpt2.ts";
import {
  activation,
  type ActivationName,
  activationSecant,
  add,
  addDeltas,
  constant,
  div,
  exp,
  type Graph,
  greater,
  halvedProduct,
  input,
  logSoftmax,
  matMul,
  mul,
  reachable,
  reduceMean,
  reduceSum,
  relu,
  reshape,
  type Rule,
  sigmoid,
  sliceGraph,
  softmax,
  sqrt,
  sub,
  tanh,
  transpose,
  type Value,
  vjp,
  where,
  withRole,
} from "../../lib/graph/mod.ts";
import { createRuntime, type Runtime } from "../../lib/runtime/runtime.ts";
import { cotangentFeeds, cotangents, gradientErrors, TOLERANCE } from "./differences.ts";
import { evaluate } from "./evaluate.ts";
import { type Feeds, type Numbers, randomNumbers, relativeError, run, sizesOf, uniform } from "./numbers.ts";

const B = "batch", P = "position";

const openRuntime = (): Promise<Runtime> => createRuntime({ dtype: "float64", threads: 1 });

function assertSmall(errors: ReadonlyMap<string, number>, what: string): number {
  for (const [name, error] of errors) assert.ok(error <= TOLERANCE, `${what}, by ${name}: ${error}`);
  return Math.max(...errors.values());
}

/** All float inputs of a graph by name, with random numbers. */
function allInputs(outputs: readonly Value[], seed: number): { inputs: Value[]; names: string[]; feeds: Feeds } {
  const random = uniform(seed);
  const inputs = reachable(outputs).filter(({ op }) => op.kind === "Input");
  const names = inputs.map(({ op }) => op.kind === "Input" ? op.name : "");
  return { inputs, names, feeds: Object.fromEntries(inputs.map((x, i) => [names[i], randomNumbers(random, x.shape)])) };
}

function layerNorm(x: Value, eps = 1e-5): Value {
  const centre = sub(x, reduceMean(x, [-1]));
  const scale = withRole(sqrt(add(reduceMean(mul(centre, centre), [-1]), eps)), "normalizer_scale");
  return add(mul(div(centre, scale), input("weight", [x.shape.at(-1)!])), input("bias", [x.shape.at(-1)!]));
}

function attentionBlock(): Value {
  const x = input("x", [B, P, 4]);
  const project = (name: string): Value => matMul(x, input(name, [4, 4]));
  const heads = (v: Value): Value => transpose(reshape(v, [B, P, 2, 2]), [0, 2, 1, 3]);
  const scores = matMul(heads(project("q")), transpose(heads(project("k")), [0, 1, 3, 2]));
  const pattern = withRole(softmax(add(div(scores, Math.SQRT2), input("mask", [B, 1, P, P]))), "attention_pattern");
  return reshape(transpose(matMul(pattern, heads(project("v"))), [0, 2, 1, 3]), [B, P, 4]);
}

Deno.test("composed graphs agree with central differences, and so do second derivatives", async () => {
  await using runtime = await openRuntime();
  const x = input("x", [B, P, 4]);
  const graphs: Record<string, Value> = {
    "LayerNorm": layerNorm(x),
    "RMSNorm": mul(div(x, sqrt(add(reduceMean(mul(x, x), [-1]), 1e-6))), input("weight", [4])),
    "attention": attentionBlock(),
    "gated MLP": matMul(
      mul(activation(matMul(x, input("gate", [4, 3])), "silu"), matMul(x, input("up", [4, 3]))),
      input("down", [3, 4]),
    ),
    "cross-entropy": reduceMean(mul(logSoftmax(matMul(x, input("w", [4, 5]))), input("target", [B, P, 5])), [0, 1, 2]),
    "soft cap": mul(30, tanh(div(matMul(x, input("w", [4, 5])), 30))),
    "one value on many paths": add(mul(x, exp(mul(x, x))), mul(sigmoid(x), reduceSum(x, [0, 1]))),
  };
  for (const [name, output] of Object.entries(graphs)) {
    const { inputs, names, feeds } = allInputs([output], name.length);
    assertSmall(await gradientErrors(runtime, { outputs: [output], wrt: inputs, moved: names, feeds }), name);
    const [dual] = cotangents([output]);
    const gradients = vjp([output], [dual], inputs) as Value[];
    const renamed = sliceGraph({ dual }, Object.fromEntries(gradients.map((g, i) => [`${i}`, g])));
    const task = { outputs: Object.values(renamed), wrt: inputs, moved: names, directional: true };
    const duals = { dual: cotangentFeeds([output], 3)["cotangent:0"] };
    assertSmall(await gradientErrors(runtime, { ...task, feeds: { ...feeds, ...duals } }), `${name}, second`);
  }
});

Deno.test("several outputs: their gradients add up", async () => {
  await using runtime = await openRuntime();
  const x = input("x", [P, 2]);
  const inner = tanh(x);
  const { names, inputs, feeds } = allInputs([x], 4);
  const outputs = [mul(inner, inner), inner, x, exp(reduceSum(x, [0, 1], false))];
  assertSmall(await gradientErrors(runtime, { outputs, wrt: inputs, moved: names, feeds }), "four outputs");
});

Deno.test("gradients flow through one wrt value into another below it", async () => {
  const x = input("x", [2]);
  const middle = mul(x, 3);
  const y = mul(middle, middle);
  const g = input("g", [2]);
  const [atMiddle, atX, atY] = vjp([y], [g], [middle, x, y]) as Value[];
  const feeds = { x: { dims: [2], data: Float64Array.of(1, -2) }, g: { dims: [2], data: Float64Array.of(1, 1) } };
  await using runtime = await openRuntime();
  const found = await run(runtime, { atMiddle, atX, atY }, feeds);
  assert.deepEqual([...found.atMiddle.data], [6, -12]); // 2 · 3x
  assert.deepEqual([...found.atX.data], [18, -36]); // 9 · 2x: not cut at the middle
  assert.deepEqual([...found.atY.data], [1, 1]);
  // Cut, x is no longer below.
  const cut = sliceGraph({ middle }, { y });
  assert.deepEqual(vjp([cut.y], [g], [x]), [undefined]);
});

Deno.test("no gradient where the outputs do not depend on a value", () => {
  const x = input("x", [2]);
  const other = input("other", [2]);
  const g = input("g", [2]);
  const step = where(greater(x, 0), 1, 0);
  assert.deepEqual(vjp([step], [g], [x]), [undefined], "through a comparison");
  assert.deepEqual(vjp([exp(x)], [g], [other]), [undefined]);
  assert.deepEqual(vjp([x], [g], [exp(x)]), [undefined], "a value above the output");
  assert.deepEqual(vjp([x], [g], [x, x]), [g, g]);
  assert.deepEqual(vjp([exp(x)], [g], []), []);
});

Deno.test("gradients that do not fit are TypeErrors", () => {
  const x = input("x", ["batch", 2]);
  assert.throws(() => vjp([x], [input("g", [2])], [x]), {
    name: "TypeError",
    message: "A gradient of shape [2] for an output of [batch, 2]",
  });
  assert.throws(() => vjp([x, x], [input("g", ["batch", 2])], [x]), {
    name: "TypeError",
    message: "1 gradients for 2 outputs",
  });
});

Deno.test("kinks: relu's derivative at 0 is 0", async () => {
  await using runtime = await openRuntime();
  const x = input("x", [3]);
  const g = input("g", [3]);
  const feeds = {
    x: { dims: [3], data: Float64Array.of(-1, 0, 1) },
    g: { dims: [3], data: Float64Array.of(1, 1, 1) },
  };
  for (const y of [relu(x), activation(x, "relu")]) {
    const [gradient] = vjp([y], [g], [x]) as Value[];
    assert.deepEqual([...(await run(runtime, { gradient }, feeds)).gradient.data], [0, 0, 1]);
  }
});

// stop and rules

/** The graph as it is differentiated with a value held constant: cut there, its numbers fed. */
async function frozen(
  runtime: Runtime,
  y: Value,
  held: Value,
  feeds: Feeds,
): Promise<{ y: Value; feeds: Feeds }> {
  const { held: numbers } = await run(runtime, { held }, feeds);
  return { y: sliceGraph({ held }, { y }).y, feeds: { ...feeds, held: numbers } };
}

const firstWithRole = (y: Value, role: string): Value => reachable([y]).find((value) => value.role === role)!;

Deno.test("stop: a stopped value is a constant", async () => {
  await using runtime = await openRuntime();
  const cases = [
    ["normalizer_scale", layerNorm(input("x", [B, P, 4]))],
    ["attention_pattern", attentionBlock()],
    ["activation", mul(activation(input("x", [B, 4]), "gelu"), input("x2", [B, 4]))],
  ] as const;
  for (const [role, y] of cases) {
    const { inputs, names, feeds } = allInputs([y], 8);
    const g = cotangents([y]);
    const duals = cotangentFeeds([y], 9);
    const stopped = vjp([y], g, inputs, { stop: [role] });
    const held = await frozen(runtime, y, firstWithRole(y, role), feeds);
    const cut = vjp([held.y], g, inputs);
    for (const [i, name] of names.entries()) {
      assert.equal(stopped[i] === undefined, cut[i] === undefined, `${role}, ${name}`);
      if (!stopped[i]) continue;
      const got = await run(runtime, { got: stopped[i] }, { ...feeds, ...duals });
      const want = await run(runtime, { want: cut[i]! }, { ...held.feeds, ...duals });
      assert.ok(relativeError(got.got.data, want.want.data) <= 1e-13, `${role}, ${name}`);
    }
    const plain = vjp([y], g, inputs);
    const differs = names.map((_, i) => plain[i] !== undefined && stopped[i] === undefined);
    assert.ok(role !== "attention_pattern" || (differs[names.indexOf("q")] && differs[names.indexOf("k")]));
    // The frozen graph itself agrees with differences.
    const moved = names.filter((_, i) => cut[i]);
    const wrt = inputs.filter((_, i) => cut[i]);
    assertSmall(await gradientErrors(runtime, { outputs: [held.y], wrt, moved, feeds: held.feeds }), role);
  }
});

Deno.test("stop: a stopped value that is asked for has its gradient, which goes no further", () => {
  const x = input("x", [2]);
  const scale = withRole(exp(x), "normalizer_scale");
  const y = mul(scale, 2);
  const g = input("g", [2]);
  const [atScale, atX] = vjp([y], [g], [scale, x], { stop: ["normalizer_scale"] });
  assert.deepEqual(atScale?.shape, [2]);
  assert.equal(atX, undefined);
});

Deno.test("rules: only values of the role are differentiated differently", async () => {
  await using runtime = await openRuntime();
  const x = input("x", [3]);
  const y = mul(exp(x), withRole(exp(x), "gate"));
  const half: Rule = (_, g) => [mul(g, 0.5)];
  const g = input("g", [3]);
  const [gradient] = vjp([y], [g], [x], { rules: { gate: half } }) as Value[];
  const data = Float64Array.of(-1, 0, 2);
  const feeds = { x: { dims: [3], data }, g: { dims: [3], data: Float64Array.of(1, 1, 1) } };
  const found = await run(runtime, { gradient }, feeds);
  const want = data.map((v) => Math.exp(2 * v) + 0.5 * Math.exp(v));
  assert.ok(relativeError(found.gradient.data, want) <= 1e-14);
});

Deno.test("activationSecant is act(x)/x, at 0 the derivative, whatever the size of x", async () => {
  const data = Float64Array.of(-3, -0.5, -1e-30, -1e-200, 0, 1e-200, 1e-30, 0.5, 3);
  for (const dtype of ["float64", "float32"] as const) {
    await using runtime = await createRuntime({ dtype, threads: 1 });
    const numbers = dtype === "float64" ? data : Float32Array.from(data);
    for (const fn of ["gelu", "gelu_new", "relu", "silu"] as ActivationName[]) {
      const x = input("x", [9]);
      const y = activation(x, fn);
      const g = input("g", [9]);
      const [gradient] = vjp([y], [g], [x], { rules: { activation: activationSecant } }) as Value[];
      const feeds = { x: { dims: [9], data: numbers }, g: { dims: [9], data: numbers.map(() => 2) as typeof numbers } };
      const found = (await run(runtime, { gradient }, feeds)).gradient.data;
      const exact = evaluate({ y }, { x: { dims: [9], data: Float64Array.from(numbers) } }).y.data;
      numbers.forEach((v, i) => {
        const atZero = fn === "relu" ? 0 : 0.5;
        const want = 2 * (v === 0 ? atZero : exact[i] / v);
        const limit = dtype === "float64" ? 1e-14 : 1e-6;
        assert.ok(Math.abs(found[i] - want) <= limit, `${fn} in ${dtype} at ${v}: ${found[i]}, not ${want}`);
      });
    }
  }
  const x = input("x", [2]);
  const odd = withRole(exp(x), "activation");
  assert.throws(() => vjp([odd], [x], [x], { rules: { activation: activationSecant } }), {
    name: "TypeError",
    message: "The secant rule is for activations, not for Exp",
  });
});

// A whole GPT-2 block

const CONFIG = { n_embd: 6, n_head: 2, n_layer: 3, vocab_size: 9, n_positions: 8, n_inner: 7 };

interface Block {
  readonly graph: Graph;
  readonly deltas: readonly string[];
  readonly feeds: Feeds;
}

/** A block with a delta at every hook, all of them 0, and random weights. */
function shiftedBlock(flags: readonly boolean[], selectRows: boolean, fn: string, seed: number): Block {
  const [foldLn, centerWritingWeights, foldValueBiases] = flags;
  const processing = { foldLn, centerWritingWeights, centerUnembed: false, foldValueBiases };
  const architecture = gpt2.open({
    ...CONFIG,
    activation_function: fn,
    scale_attn_by_inverse_layer_idx: seed % 2 === 0,
  });
  const { hooks, output } = architecture.block(1, { processing, selectRows });
  const named = Object.fromEntries(Object.entries(hooks).map(([name, value]) => [`delta ${name}`, value]));
  const graph = addDeltas({ ...hooks, output }, named);
  const { names, inputs, feeds } = allInputs([graph.output], seed);
  for (const [i, name] of names.entries()) {
    const dims = sizesOf(inputs[i].shape);
    if (name.startsWith("delta ")) feeds[name] = { dims, data: new Float64Array(dims.reduce((a, b) => a * b, 1)) };
    // Causal: query i of 3 (with rows: of 4 rows, the last positions) sees keys up to i.
    if (name === "mask:causal") {
      const data = Float64Array.from({ length: dims[0] * dims[2] * 3 }, (_, at) => {
        const query = Math.floor(at / 3) % dims[2];
        return at % 3 > query ? -1e30 : 0;
      });
      feeds[name] = { dims, data };
    }
  }
  return { graph, deltas: Object.keys(named).filter((name) => names.includes(name)), feeds };
}

Deno.test("a GPT-2 block, in every processing, with and without rows: gradients at its input, hooks and weights", async () => {
  await using runtime = await openRuntime();
  const activations = ["gelu_new", "gelu", "relu", "silu"];
  let worst = 0;
  for (let bits = 0; bits < 16; bits++) {
    const flags = [0, 1, 2].map((bit) => (bits >> bit & 1) === 1);
    const selectRows = bits >= 8;
    const { graph, deltas, feeds } = shiftedBlock(flags, selectRows, activations[bits % 4], bits);
    const weights = reachable([graph.output]).filter(({ op }) => op.kind === "Input" && op.name.includes("."))
      .filter(({ op }) => op.kind === "Input" && !op.name.startsWith("delta "));
    const resid = reachable([graph.output]).find(({ op }) => op.kind === "Input" && op.name === "resid")!;
    const wrt = [...deltas.map((name) => graph[name.slice("delta ".length)]), resid, ...weights];
    const weightNames = weights.map(({ op }) => op.kind === "Input" ? op.name : "");
    const moved = [...deltas, "resid", ...weightNames];
    const task = { outputs: [graph.output], wrt, moved, feeds, directional: true };
    const what = `flags ${flags.map(Number).join("")}, rows ${selectRows}`;
    worst = Math.max(worst, assertSmall(await gradientErrors(runtime, task), what));
  }
  console.log(`worst relative error of a GPT-2 block's gradients: ${worst.toExponential(1)}`);
});

Deno.test("a GPT-2 block: the gradient at its input, element by element", async () => {
  await using runtime = await openRuntime();
  for (const selectRows of [false, true]) {
    const { graph, feeds } = shiftedBlock([true, true, true], selectRows, "gelu_new", 3);
    const resid = reachable([graph.output]).find(({ op }) => op.kind === "Input" && op.name === "resid")!;
    const task = { outputs: [graph.output], wrt: [resid], moved: ["resid"], feeds };
    assertSmall(await gradientErrors(runtime, task), `rows ${selectRows}`);
  }
});

Deno.test("a GPT-2 block has the roles that methods stop at", async () => {
  await using runtime = await openRuntime();
  const { graph, feeds } = shiftedBlock([true, true, true], false, "gelu_new", 5);
  const resid = reachable([graph.output]).find(({ op }) => op.kind === "Input" && op.name === "resid")!;
  const g = cotangents([graph.output]);
  const given = { ...feeds, ...cotangentFeeds([graph.output], 2) };
  const gradient = async (options: Parameters<typeof vjp>[3]): Promise<Numbers> => {
    const [found] = vjp([graph.output], g, [resid], options) as Value[];
    return (await run(runtime, { found }, given)).found;
  };
  const plain = await gradient({});
  const variants = [
    { stop: ["normalizer_scale"] },
    { stop: ["attention_pattern"] },
    { stop: ["activation"] },
    { rules: { activation: activationSecant } },
  ] as const;
  for (const options of variants) {
    const other = await gradient(options);
    assert.ok(relativeError(other.data, plain.data) > 1e-3, JSON.stringify(options));
  }
  const roles = reachable([graph.output]).flatMap(({ role }) => role ?? []);
  const attention = ["attention_mix", "attention_pattern", "attention_scores"];
  assert.deepEqual(roles.sort(), ["activation", ...attention, "normalizer_scale", "normalizer_scale"]);
});

Deno.test("a number may stand for a gradient's part", () => {
  const x = input("x", []);
  const [gradient] = vjp([mul(x, x)], [constant(1)], [x]);
  assert.deepEqual(gradient?.shape, []);
});

Deno.test("halvedProduct is half of each factor's gradient, broadcast too", async () => {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const [a, b, g] = [input("a", [2, 3]), input("b", [3]), input("g", [2, 3])];
  const y = withRole(mul(a, b), "gate");
  const [toA, toB] = vjp([y], [g], [a, b], { rules: { gate: halvedProduct } }) as Value[];
  const feeds = {
    a: { dims: [2, 3], data: Float64Array.of(1, 2, 3, 4, 5, 6) },
    b: { dims: [3], data: Float64Array.of(-1, 2, 4) },
    g: { dims: [2, 3], data: Float64Array.of(1, 1, 1, 1, 3, 1) },
  };
  const found = await run(runtime, { toA, toB }, feeds);
  assert.deepEqual([...found.toA.data], [-0.5, 1, 2, -0.5, 3, 2]);
  assert.deepEqual([...found.toB.data], [2.5, 8.5, 4.5]);
  assert.throws(() => vjp([withRole(exp(a), "gate")], [g], [a], { rules: { gate: halvedProduct } }), {
    name: "TypeError",
    message: "The rule of half a product is for Mul, not for Exp",
  });
});
