import assert from "node:assert/strict";
import {
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
} from "../../mod.ts";
import { bundledUrl } from "../../lib/bundled.ts";
import { topTwoLogitDiff } from "../../lib/attribution/metrics.ts";

const model = await loadModel("tiny-facts", { threads: 1 });
Deno.test.afterAll(() => model.close());

const PROMPT = " Tiger Woods plays the sport of";

/** A bundled SAE with another cfg.json, which is given its own metadata. */
async function withChanged(
  change: (cfg: Record<string, unknown>, metadata: Record<string, unknown>) => void,
  test: (run: (options?: AttributionOptions) => Promise<Attribution>) => Promise<void>,
): Promise<void> {
  const from = bundledUrl("tiny-facts-saes/blocks.3.hook_resid_pre");
  const directory = await Deno.makeTempDir();
  try {
    await Deno.copyFile(new URL("sae_weights.safetensors", from), `${directory}/sae_weights.safetensors`);
    const cfg = JSON.parse(await Deno.readTextFile(new URL("cfg.json", from)));
    change(cfg, cfg.metadata);
    await Deno.writeTextFile(`${directory}/cfg.json`, JSON.stringify(cfg));
    await using sae = await loadSae(directory);
    await test((options = {}) =>
      calculateFeatureAttribution(model, PROMPT, topTwoLogitDiff(), { saes: [sae], ...options })
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const hook = "blocks.3.hook_resid_pre";

Deno.test("a good fit needs no warning", () =>
  withChanged(() => {}, async (run) => assert.deepEqual((await run()).warnings, [])));

Deno.test("a poor fit with a guessed processing names the other form where that fits better", () =>
  withChanged((_, metadata) => delete metadata.model_from_pretrained_kwargs, async (run) => {
    const { warnings, fit } = await run();
    assert.ok(fit[hook].explainedVarianceWithoutFirst! < 0.5);
    assert.equal(warnings.length, 2);
    assert.match(warnings[0], new RegExp(`^The SAE at ${hook} explains -?\\d+ % of the variance of this prompt`));
    assert.match(warnings[1], /^With no processing \(--processing none\) the SAE at .* explains 9\d %, not -?\d+ %$/);
    // What the user says is no guess.
    assert.equal((await run({ processing: "default" })).warnings.length, 1);
    assert.equal((await run({ processingFlags: { centerWritingWeights: true } })).warnings.length, 1);
    assert.deepEqual((await run({ processing: "none" })).warnings, []);
    assert.deepEqual((await run({ processingFlags: { centerWritingWeights: false } })).warnings, []);
  }));

Deno.test("many features at BOS of an SAE that does not say how it was trained", () =>
  withChanged((cfg, metadata) => {
    delete metadata.exclude_special_tokens;
    cfg.apply_b_dec_to_input = true;
  }, async (run) => {
    const { warnings } = await run();
    const found = warnings.filter((text) => text.startsWith("At position 0 "));
    assert.equal(found.length, 1, warnings.join("\n"));
    assert.match(found[0], /leave special tokens out \(--exclude-special-tokens\)$/);
    const excluded = await run({ excludeSpecialTokens: true });
    assert.deepEqual(excluded.warnings.filter((text) => text.startsWith("At position 0 ")), []);
  }));
