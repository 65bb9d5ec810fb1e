/** Every hook of every family against TransformerLens, and other settings against transformers: data/cases/hooks/make.py. */
import assert from "node:assert/strict";
import { hookNames } from "../../lib/model/hooks.ts";
import type { FloatTensor } from "../../lib/runtime/tensor.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors, type TensorStore } from "../../lib/weights/tensors/tensors.ts";
import { NO_PROCESSING, type Processing } from "../../models/family.ts";
import { relativeError } from "../graph/numbers.ts";
import { DATA, MODELS, open, type Opened } from "./open.ts";

const HOOKS = new URL("cases/hooks/", DATA);

// float32 against float64, relative to the largest element. Gradients at a norm's scale are sums that nearly cancel.
const VALUES = 5e-6;
const GRADIENTS = 1e-5;
const SCALE_GRADIENTS = 1e-4;

/** The gradient of 2·logits[-1, 5] − logits[-1, 7] + logits[-3, 9] at the final norm's output at [-3, -1]. */
async function finalGradient({ architecture, unembedding }: Opened, final: FloatTensor, centred: boolean) {
  const { dVocab } = architecture.config;
  const columns = [5, 7, 9];
  const gradient = { dims: [2, 3], data: Float32Array.of(0, 0, 1, 2, -1, 0) };
  if (!centred) {
    return await unembedding.gradientOf(gradient, columns, await unembedding.logitsOf(final, columns));
  }
  const data = new Float32Array(2 * dVocab);
  for (let r = 0; r < 2; r++) columns.forEach((column, c) => data[r * dVocab + column] = gradient.data[r * 3 + c]);
  return await unembedding.gradient({ dims: [2, dVocab], data });
}

async function checkHooks(model: Opened, golden: TensorStore, name: string, processing: Processing): Promise<void> {
  const tokens = [...await golden.read("tokens")];
  const hooks = hookNames(model.architecture);
  const state = await model.chain.forward({
    prompts: [tokens],
    processing,
    rows: [[tokens.length - 3, tokens.length - 1]],
    reads: hooks,
    gradientsFrom: hooks,
  });
  const gradient = await finalGradient(model, state.final, processing.centerUnembed);
  const gradients = await model.chain.backward(state, gradient, hooks);
  const checked = [...golden.tensors.keys()].filter((tensor) => tensor.startsWith(`${name}/`));
  assert.ok(checked.length > 0);
  for (const tensor of checked) {
    const [, kind, hook] = /^\w+\/(act|grad)\/(.+)$/.exec(tensor)!;
    assert.ok(hooks.includes(hook), `no hook ${hook}`);
    const got = kind === "act" ? state.values.get(hook)! : gradients.get(hook)!;
    const want = await golden.read(tensor);
    const seen = (_: number, i: number): boolean => want[i] > -1e29; // masked scores would hide the others
    const error = relativeError(got.data.filter(seen), want.filter(seen));
    const allowed = kind === "act" ? VALUES : hook.endsWith("hook_scale") ? SCALE_GRADIENTS : GRADIENTS;
    assert.ok(error <= allowed, `${tensor}: ${error}`);
  }
}

for (const name of MODELS) {
  Deno.test(`${name}: values and gradients at every hook`, async () => {
    await using source = openSource(HOOKS);
    const golden = await openSafetensors(source, { file: `${name}.safetensors` });
    await using model = await open(name);
    const { defaultProcessing } = model.architecture;
    const both = { default: defaultProcessing, none: NO_PROCESSING };
    for (const [processing, flags] of Object.entries(both)) {
      if (!golden.tensors.has(`${processing}/act/hook_embed`)) continue;
      await checkHooks(model, golden, processing, flags);
    }
    const theirs = new Set([...golden.tensors.keys()].map((tensor) => tensor.split("/").at(-1)));
    const ours = hookNames(model.architecture).filter((hook) => !theirs.has(hook));
    assert.deepEqual(
      ours.filter((hook) => !/mlp\.hook_in$/.test(hook)),
      [],
      "hooks that TransformerLens does not have",
    );
  });
}

interface Variant {
  readonly model: string;
  readonly changes: Readonly<Record<string, unknown>>;
  readonly tokens: readonly number[];
  readonly logits: readonly number[];
}

const variants: Record<string, Variant> = JSON.parse(Deno.readTextFileSync(new URL("variants.json", HOOKS)));

for (const [name, { model, changes, tokens, logits }] of Object.entries(variants)) {
  Deno.test(`other settings: ${name}`, async () => {
    await using opened = await open(model, changes);
    const processing = opened.architecture.defaultProcessing;
    const { final } = await opened.chain.forward({ prompts: [tokens], processing, rows: [[tokens.length - 1]] });
    const error = relativeError((await opened.unembedding.logits(final)).data, logits);
    assert.ok(error <= VALUES, `${error}`);
  });
}
