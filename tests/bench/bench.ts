/**
 * The main job against PyTorch, round by round: `deno task bench [--tokens 7,64,128,512,1024] [--rounds 5] [--repeat 5]
 * [--device wasm,native] [--weights streamed,resident] [--python PYTHON] [--notebook FILE] [--json FILE] [--markdown]`.
 *
 * Everyone runs as one process from start to finish, and warm: with model and SAE open, `--repeat` attributions after
 * two that are not counted. Makes a GPT-2-small-shaped model with random weights in `.bench` (650 MB, needs numpy);
 * expert_torch.py needs torch, transformers and safetensors; the notebook's own stack runs only with `--notebook FILE`
 * (its text); `native` takes part where onnxruntime-node is installed, `webgpu` where it is asked for. Times stand beside
 * what the machine's memory and arithmetic allow at best, measured before and after (`--no-limits`: not).
 *
 * `--prompts 64`: prompts per second over prompts of mixed lengths up to 64 tokens. `--memory 500`: the resident set over
 * 500 attributions. `--peer`: a block in @jax-js/onnx. With one of these, prompts of single lengths run only if `--tokens`
 * says so. `--shape llama-1b`: a model of Llama 3.2 1B's shape (2.7 GB more in `.bench`).
 *
 * Measure on an idle machine: beside other work PyTorch's threads wait for each other busily, for several times as long;
 * OMP_WAIT_POLICY=passive in the environment spares them that.
 */
import { processContestants, type PromptSet, python, warmContestants } from "./contestants.ts";
import { boundOf, fasterOf, type Limits, measureLimits } from "./limits.ts";
import { describeMachine } from "./machine.ts";
import { measureMemory, showMemory } from "./memory.ts";
import { type BenchOptions, readOptions } from "./options.ts";
import { comparePeer, showPeer } from "./peer.ts";
import { mixedPrompts, promptOf } from "./prompts.ts";
import { compareWithReference } from "./reference.ts";
import { type SetReport, showMachine, showSet, toMarkdown } from "./report.ts";
import { inTurn, type Result } from "./rounds.ts";
import { workOf } from "./work.ts";

/** Prompts of the memory check. */
const MEMORY_PROMPTS = 64;

async function makeModel(options: BenchOptions): Promise<void> {
  try {
    await Deno.stat(`${options.dir}/sae-shape/cfg.json`);
  } catch {
    console.error(`making the model in ${options.dir}`);
    await python(options, ["make_gpt2_shape.py", options.dir]);
  }
}

/** Does something with prompts in a file. */
async function withSet<T>(name: string, prompts: number[][], use: (set: PromptSet) => Promise<T>): Promise<T> {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(prompts));
    return await use({ name, prompts, file });
  } finally {
    await Deno.remove(file);
  }
}

/** One prompt: rows against the reference's, everyone as a process, everyone warm. */
function measurePrompt(options: BenchOptions, tokens: number): Promise<SetReport> {
  return withSet(`${tokens} tokens`, [promptOf(tokens)], async (set) => {
    const reference = await compareWithReference(options, set);
    const contestants = [...processContestants(options), ...warmContestants(options)];
    return { set: set.name, prompts: 1, reference, results: await inTurn(contestants, set, options.rounds) };
  });
}

/** Many prompts: everyone warm. */
function measureThroughput(options: BenchOptions, count: number): Promise<SetReport> {
  return withSet(`${count} prompts of mixed lengths`, mixedPrompts(count), async (set) => ({
    set: set.name,
    prompts: count,
    results: await inTurn(warmContestants(options), set, options.rounds),
  }));
}

/** The report with what the machine allows beside what was measured. */
function withBound(report: SetReport, limits: Limits | undefined): SetReport {
  if (!limits || !report.reference) return report;
  const bound = boundOf(workOf(report.reference.job), limits);
  const results = report.results.map((result): Result =>
    result.failed === undefined ? { ...result, timesBound: result.medianSeconds / bound.seconds } : result
  );
  return { ...report, bound, results };
}

async function bench(options: BenchOptions): Promise<void> {
  await makeModel(options);
  const started = new Date().toISOString();
  const here = await describeMachine();
  const before = options.limits ? await measureLimits(options) : undefined;
  const machine = { ...here, versions: { ...here.versions, ...before?.versions } };
  console.error(showMachine(machine, before));
  const measured: SetReport[] = [];
  for (const tokens of options.tokens) measured.push(shown(await measurePrompt(options, tokens)));
  if (options.prompts !== undefined) measured.push(shown(await measureThroughput(options, options.prompts)));
  const memory = options.memory === undefined ? undefined : await withSet(
    "memory",
    mixedPrompts(MEMORY_PROMPTS),
    (set) => measureMemory(options, set),
  );
  const peer = options.peer ? await comparePeer(options) : undefined;
  const limits = before && fasterOf(before, await measureLimits(options));
  const sets = measured.map((report) => withBound(report, limits));
  console.log([
    showMachine(machine, limits),
    ...sets.map(showSet),
    ...(memory ? [showMemory(memory)] : []),
    ...(peer ? [showPeer(peer)] : []),
    ...(options.markdown ? [toMarkdown(sets)] : []),
  ].join("\n\n"));
  if (options.json === undefined) return;
  const { rounds, repeat, devices, weights } = options;
  const all = { started, machine, rounds, repeat, devices, weights, limits, sets, memory, peer };
  await Deno.writeTextFile(options.json, JSON.stringify(all, null, 2) + "\n");
}

/** Shows what has been measured so far, for those who wait. */
function shown(report: SetReport): SetReport {
  console.error(`\n${showSet(report)}`);
  return report;
}

const options = readOptions(Deno.args);
if (options.shape === "llama-1b") {
  const { benchLlama1b } = await import("./llama_1b.ts");
  await benchLlama1b(options);
} else {
  await bench(options);
}
