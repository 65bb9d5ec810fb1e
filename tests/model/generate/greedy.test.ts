/** Greedy continuations are those of transformers (tests/data/generate/make.py), for a model of every family. */
import assert from "node:assert/strict";
import { type GeneratedToken, loadModel } from "../../../mod.ts";
import { DATA, MODELS } from "../../models/open.ts";
import { openOptions } from "../../runtime/open_options.ts";

interface Greedy {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly margin: number;
}

const GREEDY: Readonly<Record<string, readonly Greedy[]>> = JSON.parse(
  Deno.readTextFileSync(new URL("generate/greedy.json", DATA)),
);

assert.deepEqual(Object.keys(GREEDY), MODELS);

for (const name of MODELS) {
  Deno.test(`${name} says what transformers says`, async () => {
    await using model = await loadModel(new URL(`models/${name}/`, DATA), { ...openOptions(), weights: "resident" });
    for (const { prompt, tokens, margin } of GREEDY[name]) {
      assert.ok(margin > 2e-5, "no tie");
      const found: GeneratedToken[] = [];
      const options = { maxTokens: tokens.length, eosIds: [] };
      for await (const token of model.generate(prompt, options)) found.push(token);
      assert.deepEqual(found.map(({ id }) => id), tokens);
      assert.deepEqual(found.map(({ position }) => position), tokens.map((_, i) => prompt.length + i));
      assert.deepEqual(found.map(({ ended }) => ended).filter(Boolean), ["maxTokens"]);
    }
  });
}
