/** Directories that say one thing and whose files say another: what transformers makes of them (tests/data/weights). */
import assert from "node:assert/strict";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff, testPrompt } from "../../mod.ts";
import { openOptions } from "../runtime/open_options.ts";

const DATA = new URL("../data/weights/", import.meta.url);

interface Expected {
  readonly ids: number[];
  readonly answer: number;
  readonly other: number;
  readonly logits: number[];
  readonly rows: readonly (readonly [position: number, feature: number, attribution: number])[];
}

/** Directories below one that have something expected of them. */
function casesIn(path: string): string[] {
  return [...Deno.readDirSync(new URL(path, DATA))].flatMap(({ name, isDirectory }) => {
    if (!isDirectory) return name === "expected.json" ? [path] : [];
    return name === "sae" ? [] : casesIn(`${path}${name}/`);
  }).sort();
}

const CASES = casesIn("./");

Deno.test("there are cases of every kind, and of every family", () => {
  assert.equal(CASES.filter((name) => name.includes("tied_with_head")).length, 9);
  assert.equal(CASES.length, 14);
});

for (const name of CASES) {
  Deno.test(`weights ${name}`, async () => {
    const directory = new URL(name, DATA);
    const want = JSON.parse(await Deno.readTextFile(new URL("expected.json", directory))) as Expected;
    await using model = await loadModel(directory, openOptions());
    await using sae = await loadSae(new URL("sae/", directory));
    assert.equal(sae.hookOut, "blocks.0.hook_resid_post");
    const result = await calculateFeatureAttribution(model, want.ids, logitDiff(want.answer, want.other), {
      saes: [sae],
    });
    const { logits } = want;
    const mean = logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
    const { predictions } = await testPrompt(model, want.ids, { saes: [sae], topK: logits.length });
    const scale = Math.max(...logits.map(Math.abs));
    const got = new Map(predictions.map(({ id, logit }) => [id, logit]));
    const shift = model.architecture.logitSoftCap === undefined ? mean : 0;
    logits.forEach((logit, id) => assert.ok(Math.abs(logit - shift - got.get(id)!) <= 1e-5 * scale));
    const rows = new Map(result.rows(sae.hookOut).map((row) => [`${row.position},${row.feature}`, row.attribution]));
    assert.equal(rows.size, want.rows.length);
    const largest = Math.max(...want.rows.map(([, , attribution]) => Math.abs(attribution)));
    for (const [position, feature, attribution] of want.rows) {
      const off = Math.abs(attribution - rows.get(`${position},${feature}`)!);
      assert.ok(off <= 2e-5 * largest, `position ${position}, feature ${feature} is off by ${off / largest}`);
    }
  });
}

Deno.test("a file that config.json names and that is no safetensors file is an error", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const from = new URL("named_file/", DATA);
    await Deno.copyFile(new URL("model.safetensors", from), `${directory}/model.safetensors`);
    const config = JSON.parse(await Deno.readTextFile(new URL("config.json", from)));
    for (const name of ["x.bin", 3, {}, "../x.safetensors"]) {
      await Deno.writeTextFile(
        `${directory}/config.json`,
        JSON.stringify({ ...config, transformers_weights: name }),
      );
      await assert.rejects(loadModel(directory, openOptions()), /transformers_weights|leads out|\.\.\/x/);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
