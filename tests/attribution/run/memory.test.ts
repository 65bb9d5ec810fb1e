/** Memory does not grow with the number of attributions: not the process's, nor WebAssembly's, nor what is kept. */
import assert from "node:assert/strict";

const SCRIPT = `
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from ${
  JSON.stringify(new URL("../../../mod.ts", import.meta.url).href)
};
const weights = Deno.args[0];
await using model = await loadModel("tiny-facts", { device: "wasm", threads: 1, weights });
await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre", { weights });
const prompts = [" Tiger Woods plays the sport of", " The capital of France is", " The", " Babe Ruth plays the sport of"];
const resident = [];
for (let i = 1; i <= 500; i++) {
  await calculateFeatureAttribution(model, prompts[i % prompts.length], logitDiff(" golf", " tennis"), { saes: [sae] });
  if (i !== 50 && i !== 500) continue;
  await new Promise((resolve) => setTimeout(resolve)); // what is released is released between tasks
  gc();
  resident.push(Deno.memoryUsage().rss);
}
console.log(JSON.stringify(resident));
`;

/** The room for young objects has one size: else the engine makes it larger now and then, which is no growth of ours. */
const V8_FLAGS = "--expose-gc,--min-semi-space-size=8,--max-semi-space-size=8";

for (const weights of ["streamed", "resident"]) {
  Deno.test(`memory: the resident set after 500 attributions is that after 50, weights ${weights}`, async () => {
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, SCRIPT);
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", `--v8-flags=${V8_FLAGS}`, file, weights],
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      const [early, late] = JSON.parse(new TextDecoder().decode(stdout)) as [number, number];
      assert.ok(late <= 1.05 * early, `${early} bytes after 50, ${late} after 500`);
    } finally {
      await Deno.remove(file);
    }
  });
}
