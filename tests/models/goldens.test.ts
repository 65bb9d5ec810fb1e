/** Golden cases of the reference stack (see tests/attribution/golden.ts) on a tiny random model of every family. */
import assert from "node:assert/strict";
import { type Attribution, loadSae, type Model, type Sae, testPrompt } from "../../mod.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";
import {
  assertClose,
  assertLogitsClose,
  centred,
  type GoldenCase,
  goldenPrependBos,
  type GoldenSae,
  runGolden,
} from "../attribution/golden.ts";
import { goldenModels } from "../attribution/golden_models.ts";
import { openOptions } from "../runtime/open_options.ts";
import { DATA } from "./open.ts";

type FamilyCase = GoldenCase & { readonly model: string; readonly default_prepend_bos: boolean };
type Tensors = ReadonlyMap<string, Float32Array>;

const CASES = new URL("cases/families/", DATA);
const cases = [...Deno.readDirSync(CASES)].map(({ name }) => name).filter((name) => name.endsWith(".json")).sort()
  .map((name) => JSON.parse(Deno.readTextFileSync(new URL(name, CASES))) as FamilyCase);

/** The aim: differences of attributions, as a part of the largest. */
const AIM = 2e-5;

const openModel = goldenModels(openOptions);
const worst = new Map<string, { relative: number; name: string }>();

function note(kind: string, relative: number, name: string): void {
  if (!(relative <= (worst.get(kind)?.relative ?? -1))) worst.set(kind, { relative, name });
}

Deno.test.afterAll(() => {
  console.log("worst difference over the largest value:");
  for (const [kind, { relative, name }] of worst) console.log(`  ${kind}: ${relative.toExponential(1)} (${name})`);
});

async function readTensors({ name }: FamilyCase): Promise<Tensors> {
  await using source = openSource(CASES);
  const store = await openSafetensors(source, { file: `${name}.safetensors` });
  const names = [...store.tensors.keys()].filter((tensor) => !tensor.startsWith("extra/"));
  return new Map(await Promise.all(names.map(async (tensor) => [tensor, await store.read(tensor)] as const)));
}

Deno.test("there is a case of every family", () => {
  assert.equal(cases.length, 23);
  assert.equal(new Set(cases.map(({ model }) => model)).size, 14);
});

for (const golden of cases) {
  Deno.test(`golden ${golden.name}`, async () => {
    const model = await openModel(golden.model);
    assert.equal(model.architecture.defaultPrependBos, golden.default_prepend_bos);
    const saes = await Promise.all(
      golden.saes.map(({ path, hook, norm_scaling_factor }) =>
        loadSae(new URL(`${path}/`, DATA), { hook, normScalingFactor: norm_scaling_factor ?? undefined })
      ),
    );
    try {
      const result = await runGolden(model, golden, saes);
      const tensors = await readTensors(golden);
      assert.deepEqual(result.tokens.map(({ id }) => id), golden.tokens);
      assertLogitsClose([result.metric], [golden.expected.metric], "metric");
      await checkLogits(model, result, tensors, golden);
      await checkPredictions(model, saes, golden);
      for (const hook of result.hooks) await checkSae(result, hook, tensors, golden.expected.saes[hook], golden);
      for (const hook of golden.track_hook_points ?? []) checkTracked(result, hook, tensors, golden.name);
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

/** Ours are centred in every processing, but not with a soft cap. */
function comparable({ architecture }: Model, logits: ArrayLike<number>): ArrayLike<number> {
  return architecture.logitSoftCap === undefined ? centred(Float32Array.from(logits)) : logits;
}

/** The logits of the last position with the SAEs in place. */
async function checkLogits(model: Model, result: Attribution, tensors: Tensors, golden: FamilyCase): Promise<void> {
  const want = tensors.get("logits")!;
  const { state, processing } = result.parts.grads;
  const run = await model.chain.forward({
    prompts: [golden.tokens],
    processing,
    rows: [[golden.tokens.length - 1]],
    replacements: golden.include_error_term ? [] : state.request.replacements,
  });
  assertLogitsClose((await model.unembedding.logits(run.final)).data, comparable(model, want), "logits");
}

/** The next-token table of the model without SAEs. */
async function checkPredictions(model: Model, saes: readonly Sae[], golden: FamilyCase): Promise<void> {
  const { predictions } = await testPrompt(model, golden.prompt, { saes, prependBos: goldenPrependBos(golden) });
  const want = golden.expected.next_tokens;
  assert.deepEqual(predictions.map(({ id }) => id), want.map(({ id }) => id));
  assertClose(predictions.map((p) => p.probability), want.map((p) => p.probability), "probabilities");
}

async function checkSae(
  result: Attribution,
  hook: string,
  tensors: Tensors,
  want: GoldenSae,
  { name }: FamilyCase,
): Promise<void> {
  const { run, gradient, rows } = result.parts.saes.get(hook)!;
  const check = (kind: string, got: ArrayLike<number>): void =>
    note(kind, assertClose(got, tensors.get(`${hook}/${kind}`)!, `${hook} ${kind}`), name);
  check("sae_in", run.saeIn);
  check("sae_out", run.saeOut);
  check("grad_sae_out", gradient);
  const { data: activations } = await result.saeFeatureActivations(hook);
  const active = (acts: Float32Array): number[] => [...acts.keys()].filter((i) => acts[i] !== 0);
  assert.deepEqual(active(activations), active(tensors.get(`${hook}/feature_acts`)!), `${hook}: active features`);
  check("feature_acts", activations);

  const key = (position: number, feature: number): string => `${position} ${feature}`;
  const expected = new Map(want.rows.map(([position, feature, value]) => [key(position, feature), value]));
  assert.deepEqual(new Set(rows.map(({ position, feature }) => key(position, feature))), new Set(expected.keys()));
  const values = rows.map(({ position, feature }) => expected.get(key(position, feature))!);
  const relative = assertClose(rows.map(({ attribution }) => attribution), values, `${hook}: rows`);
  assert.ok(relative <= AIM, `${hook}: attributions differ by ${relative} of the largest`);
  note("attributions", relative, name);
}

function checkTracked(result: Attribution, hook: string, tensors: Tensors, name: string): void {
  const kinds = [
    ["activation", result.modelActivations],
    ["grad", result.modelGrads],
    ["attribution", result.modelAttributions],
  ] as const;
  for (const [kind, got] of kinds) {
    note(`tracked ${kind}`, assertClose(got[hook].data, tensors.get(`${hook}/${kind}`)!, `${hook} ${kind}`), name);
  }
}
