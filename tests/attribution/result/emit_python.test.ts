import assert from "node:assert/strict";
import {
  type AttributionOptions,
  calculateFeatureAttribution,
  klToClean,
  loadModel,
  loadSae,
  logit,
  logitDiff,
  logProb,
  loss,
  type Metric,
  prob,
  targetText,
  weightedLogits,
} from "../../../mod.ts";
import { emitPython } from "../../../lib/attribution/result/emit_python.ts";
import { TensorSae } from "../../../lib/sae/sae.ts";
import { config, functionStore, noiseTensors } from "../../sae/fixtures.ts";
import { DATA } from "../golden.ts";

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
const sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
Deno.test.afterAll(async () => {
  await Promise.all([model.close(), sae.close()]);
});

const PROMPT = " Tiger Woods plays the sport of";

async function script(metric: Metric, options: AttributionOptions = {}): Promise<string> {
  return emitPython(await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae], ...options }));
}

Deno.test("a script names the model, its processing, the SAE, the tokens and the metric", async () => {
  const text = await script(logitDiff(364, 296), { processingFlags: { foldLn: false } });
  for (
    const expected of [
      /^# logits\[-1, 364\] - logits\[-1, 296\] = -?\d/,
      /^gpt2 = GPT2LMHeadModel\.from_pretrained\(".*models\/gpt2\/?"\)/m,
      /fold_ln=False, center_writing_weights=True, center_unembed=True, fold_value_biases=True,$/m,
      /"blocks\.2\.hook_resid_pre": \(SAE\.load_from_disk\(".*g-std-pre2\/?"\), "blocks\.2\.hook_resid_pre"\),/,
      /^tokens = torch\.tensor\(\[\[0, 341, 348, 304, 347, 83, 277, 259, 323, 273\]\]\)$/m,
      /^include_error_term = True$/m,
      /^metric = \(logits\[\[9\]\]\[:, \[364, 296\]\] \* torch\.tensor\(\[1, -1\]\)\)\.sum\(\)$/m,
      /^print\("position,feature,attribution"\)$/m,
    ]
  ) assert.match(text, expected);
  assert.doesNotMatch(text, /excluded|undefined|NaN|`/);
});

Deno.test("a script leaves out the tokens that the run left out, and folds what it folded", async () => {
  const text = await script(logitDiff(364, 296), { excludeSpecialTokens: [0, 83], includeErrorTerm: false });
  assert.match(text, /^excluded = torch\.tensor\(\[0, 5\]\) /m);
  assert.match(text, /^ {4}out = out\.index_copy\(1, excluded, value\.detach\(\)\[:, excluded\]\)$/m);
  assert.match(text, /^include_error_term = False$/m);
  await using factor = await loadSae(new URL("saes/g-avg-pre1/", DATA), { normScalingFactor: 2.5 });
  assert.match(
    await script(logitDiff(364, 296), { saes: [factor] }),
    /\(folded\(SAE\.load_from_disk\(".*"\), 2\.5\), /,
  );
  assert.match(await script(logitDiff(364, 296), { saes: [sae, factor] }), /^print\("hook,position,feature/m);
});

Deno.test("a script has a transcoder's skip connection, and turns on the hook that it reads", async () => {
  await using skip = await loadSae(new URL("saes/g-jskip-mlp0/", DATA));
  const text = await script(logitDiff(364, 296), { saes: [skip] });
  assert.match(text, /^model\.set_use_hook_mlp_in\(True\)$/m);
  assert.match(text, /^ {4}out = out \+ \(sae\(x\)\.reshape\(value\.shape\) - out\)\.detach\(\) {2}# what/m);
  assert.doesNotMatch(await script(logitDiff(364, 296)), /sae\(x\)|hook_mlp_in/);
});

Deno.test("a script has the metric in PyTorch", async () => {
  const cases: [Metric, string][] = [
    [logit(364), "logits[[9]][range(1), [364]].sum()"],
    [logProb(364, { position: [-2, -1] }), "logits[[8, 9]].log_softmax(-1)[range(2), [364, 364]].sum()"],
    [prob(364), "logits[[9]].softmax(-1)[range(1), [364]].sum()"],
    [targetText(" golf"), "logits[[9]].log_softmax(-1)[range(1), [364]].sum()"],
    [weightedLogits([1, 2], [0.5, -0.5]), "(logits[[9]][:, [1, 2]] * torch.tensor([0.5, -0.5])).sum()"],
  ];
  for (const [metric, expression] of cases) {
    const lines = (await script(metric)).split("\n");
    assert.ok(lines.includes(`metric = ${expression}`), `${metric.name}: ${lines.find((l) => l.startsWith("metric"))}`);
  }
  const uneven = await script(weightedLogits([7, 364, 7], [0.5, 1, 0.25], { position: [-2, -1] }));
  assert.ok(uneven.includes("metric = (logits[[8, 9]][:, [7, 364]] * torch.tensor([0.75, 1])).sum()\n"), uneven);
  assert.match(
    await script(loss()),
    /^metric = -logits\[\[0, 1, .*\.log_softmax\(-1\)\[range\(9\), .*\.sum\(\) \/ 9$/m,
  );
});

Deno.test("what has no counterpart is refused", async () => {
  await assert.rejects(script(klToClean(), { includeErrorTerm: false }), /kl_to_clean has no Python counterpart/);
  const { dHead } = model.architecture.config;
  const checked = config({ d_in: dHead }, { hook_name: "blocks.1.attn.hook_z", hook_head_index: 1 });
  const head = new TensorSae(checked, functionStore(noiseTensors(checked)), "random");
  await assert.rejects(script(logitDiff(364, 296), { saes: [head] }), /blocks\.1\.attn\.hook_z is for one head/);
});
