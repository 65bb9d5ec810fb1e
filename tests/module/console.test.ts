/** What console.log shows of a model, an SAE and a result fits on a screen, and says what it is. */
import assert from "node:assert/strict";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff, type Sae, targetText } from "../../mod.ts";

const PROMPT = " Tiger Woods plays the sport of";

function assertOneScreen(value: unknown): string {
  const text = Deno.inspect(value, { colors: false });
  const lines = text.split("\n");
  assert.ok(lines.length <= 30, `${lines.length} lines:\n${text}`);
  assert.ok(lines.every((line) => line.length <= 160), text);
  return text;
}

Deno.test("a model, an SAE and a result are shown on one screen", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  const names = ["blocks.3.hook_resid_pre", "blocks.2.hook_resid_pre", "blocks.2.hook_mlp_out"];
  const saes: Sae[] = [];
  for (const name of names) saes.push(await loadSae(`tiny-facts/${name}`));
  assert.match(assertOneScreen(model), /^Model \{\n {2}name: "tiny-facts",\n {2}family: "gpt2",\n {2}nLayers: 4,/);
  assert.match(
    assertOneScreen(saes[2]),
    /^Sae \{[^]* {2}hookIn: "blocks\.2\.ln2\.hook_normalized",[^]* {2}dSae: 1024,/,
  );
  const metric = logitDiff(" golf", " tennis");
  const one = await calculateFeatureAttribution(model, PROMPT, metric, { saes: saes.slice(0, 1) });
  const text = assertOneScreen(one);
  const [{ feature }] = one.rows(saes[0].hookOut).toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
  assert.match(text, /^Attribution \{\n {2}metric: "logit_diff = 2\.852/);
  assert.match(text, new RegExp(`strongest: \\[\n {4}'-0\\.2781 of feature ${feature} at " of" \\(6\\)'`));
  assert.match(text, /saes: \[ "blocks\.3\.hook_resid_pre: 89 rows" \]/);
  const several = await calculateFeatureAttribution(model, PROMPT, targetText(" golf. Roger Federer plays"), {
    saes,
    trackHookPoints: Array.from({ length: 4 }, (_, layer) => `blocks.${layer}.hook_resid_pre`),
    excludeSpecialTokens: false,
  });
  assertOneScreen(several);
  for (const sae of saes) await sae.close();
});
