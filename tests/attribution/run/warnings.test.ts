import assert from "node:assert/strict";
import {
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
} from "../../../mod.ts";
import { bundledUrl } from "../../../lib/bundled.ts";
import { topTwoLogitDiff } from "../../../lib/attribution/metric/metrics.ts";
import { DATA } from "../golden.ts";

const tinyFacts = await loadModel("tiny-facts", { threads: 1 });
const random = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
Deno.test.afterAll(async () => {
  await Promise.all([tinyFacts.close(), random.close()]);
});

const FITTING = bundledUrl("tiny-facts-saes/blocks.3.hook_resid_pre");
const PROMPT = " Tiger Woods plays the sport of";

/** An SAE with changed metadata. */
async function withMetadata(
  from: URL,
  change: (metadata: Record<string, unknown>) => void,
  test: (run: (options?: AttributionOptions) => Promise<Attribution>) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.copyFile(new URL("sae_weights.safetensors", from), `${directory}/sae_weights.safetensors`);
    const cfg = JSON.parse(await Deno.readTextFile(new URL("cfg.json", from)));
    change(cfg.metadata);
    await Deno.writeTextFile(`${directory}/cfg.json`, JSON.stringify(cfg));
    await using sae = await loadSae(directory);
    const model = from === FITTING ? tinyFacts : random;
    await test((options) => calculateFeatureAttribution(model, PROMPT, topTwoLogitDiff(), { saes: [sae], ...options }));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const guessed = (metadata: Record<string, unknown>): void => {
  delete metadata.model_from_pretrained_kwargs;
};

Deno.test("a good fit needs no warning, guessed processing or not", async () => {
  for (const change of [() => {}, guessed]) {
    await withMetadata(FITTING, change, async (run) => {
      const { warnings, fit, hooks: [hook] } = await run();
      assert.ok(fit[hook].explainedVarianceWithoutFirst! > 0.9);
      assert.deepEqual(warnings, []);
    });
  }
});

Deno.test("a poor fit with a guessed processing names the other form where that fits better", async () => {
  // hook_z is with the value bias in the unprocessed model, on which this SAE was made, and without it in the default.
  const hook = "blocks.1.attn.hook_z";
  await withMetadata(new URL("saes/np-std-z1/", DATA), guessed, async (run) => {
    const { warnings } = await run();
    assert.equal(warnings.length, 2, warnings.join("\n"));
    assert.match(warnings[0], new RegExp(`^The SAE at ${hook} explains -79 % of the variance of this prompt`));
    assert.equal(
      warnings[1],
      `With no processing (\`processing: "none"\`) the SAE at ${hook} explains -12 %, not -79 %`,
    );
    // What the user says is no guess.
    for (const options of [{ processing: "default" }, { processingFlags: { foldValueBiases: true } }] as const) {
      assert.equal((await run(options)).warnings.length, 1);
    }
  });
  // Here the guess is the better one.
  await withMetadata(new URL("saes/g-gated-attn2/", DATA), guessed, async (run) => {
    assert.deepEqual((await run()).warnings.filter((text) => text.includes("processing:")), []);
  });
  await withMetadata(new URL("saes/np-std-z1/", DATA), () => {}, async (run) => {
    assert.equal((await run()).warnings.length, 1);
  });
});

Deno.test("many features at BOS of an SAE that does not say how it was trained", async () => {
  const silent = (metadata: Record<string, unknown>): void => {
    delete metadata.exclude_special_tokens;
  };
  await withMetadata(FITTING, silent, async (run) => {
    const { warnings } = await run();
    assert.equal(warnings.length, 1, warnings.join("\n"));
    assert.match(warnings[0], /^At position 0 82 features of the SAE at blocks\.3\.hook_resid_pre are active, at the/);
    assert.match(warnings[0], /others 15 on average: .*leave special tokens out \(`excludeSpecialTokens: true`\)$/);
    assert.deepEqual((await run({ excludeSpecialTokens: true })).warnings, []);
    assert.deepEqual((await run({ excludeSpecialTokens: [0] })).warnings, []);
  });
  // SAEs that say so are followed, and the user goes before both.
  await withMetadata(FITTING, () => {}, async (run) => {
    const l0 = async (options?: AttributionOptions): Promise<number> => {
      const { fit, hooks: [hook] } = await run(options);
      return fit[hook].l0[0];
    };
    assert.deepEqual([await l0(), await l0({ excludeSpecialTokens: false })], [0, 82]);
  });
});
