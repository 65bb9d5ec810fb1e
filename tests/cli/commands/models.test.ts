import assert from "node:assert/strict";
import { UsageError } from "../../../lib/cli/args/args.ts";
import { parseRequest } from "../../../lib/cli/commands/names/models.ts";
import { listModels, modelRows } from "../../../lib/cli/runs/names/models.ts";
import { inDirectory } from "../run_cli.ts";

Deno.test("models: what a command line asks for", () => {
  assert.deepEqual(parseRequest(["--search", "gemma 2b", "--output", "models.json"]), {
    search: "gemma 2b",
    destination: { format: "json", isChosen: true, file: "models.json" },
  });
  assert.equal(parseRequest([]).search, "");
  assert.equal(parseRequest(["gpt2"]).search, "gpt2");
  assert.equal(parseRequest(["gemma", "--search", "2b"]).search, "gemma 2b");
  assert.throws(() => parseRequest(["gemma", "2b"]), UsageError);
});

Deno.test("models: bundled ones come first, a column says what can be run, and why not", async () => {
  const rows = await modelRows("");
  assert.deepEqual(rows[0].slice(0, 3), ["tiny-facts", "", null]);
  assert.ok(rows.length > 230);
  const [gpt2] = await modelRows("gpt2-small");
  assert.deepEqual(gpt2.filter((_, i) => i !== 3), ["gpt2", "gpt2-small", "gpt2", true, null, "gpt2"]);
  assert.ok(Number(gpt2[3]) > 100);
  const [bloom] = await modelRows("bloom-560m");
  assert.deepEqual(bloom.slice(3, 6), [0, false, "models of type bloom are not supported"]);
});

Deno.test("models: as records", async () => {
  await inDirectory(async (directory) => {
    const file = `${directory}/models.json`;
    await listModels(parseRequest(["--search", "gemma-2-2b", "--output", file]));
    const records = JSON.parse(await Deno.readTextFile(file));
    assert.deepEqual(records.map(({ model }: { model: string }) => model), [
      "google/gemma-2-2b",
      "google/gemma-2-2b-it",
    ]);
    assert.deepEqual(Object.keys(records[0]), ["model", "aliases", "family", "saes", "loadable", "why_not", "repo"]);
  });
});
