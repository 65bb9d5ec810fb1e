import assert from "node:assert/strict";
import { UsageError } from "../../../lib/cli/args/args.ts";
import { parseRequest } from "../../../lib/cli/commands/names/saes.ts";
import { saeRows } from "../../../lib/cli/runs/names/saes.ts";
import { fromFileUrl } from "../../../lib/weights/files/places.ts";
import { inDirectory, type Outcome, runCli } from "../run_cli.ts";

const ROOT = new URL("../../../", import.meta.url);
/** The lists of models and SAEs. */
const LISTS = fromFileUrl(new URL("models/registry/", ROOT));

/** Runs the command's module as a process. */
function runSaes(args: readonly string[], permissions: readonly string[] = ["-A"]): Promise<Outcome> {
  return runScript(
    `import { run } from "${new URL("lib/cli/commands/names/saes.ts", ROOT)}"; await run(Deno.args);`,
    args,
    permissions,
  );
}

async function runScript(script: string, args: readonly string[], permissions: readonly string[]): Promise<Outcome> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...permissions, "-", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("saes: what a command line asks for", () => {
  assert.deepEqual(parseRequest(["--model", "gpt2", "--search", "res jb", "--format", "jsonl"]), {
    model: "gpt2",
    text: undefined,
    search: "res jb",
    destination: { format: "jsonl", isChosen: true, file: undefined },
  });
  assert.equal(parseRequest(["jb"]).text, "jb");
  assert.throws(() => parseRequest(["res", "jb"]), UsageError);
  assert.throws(() => parseRequest(["--format", "xml"]), UsageError);
});

Deno.test("saes: a text alone is a model's name, or words to look for", async () => {
  const names = async (...args: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await runCli(["saes", ...args, "--format", "jsonl"]);
    assert.equal(code, 0, stderr);
    return stdout.trimEnd().split("\n").map((line) => JSON.parse(line).sae);
  };
  const [byModel, ...others] = await Promise.all([names("--model", "gpt2"), names("gpt2"), names("gpt2-small")]);
  assert.ok(byModel.length > 100);
  for (const other of others) assert.deepEqual(other, byModel);
  assert.deepEqual(await names("tiny-facts"), await names("--model", "tiny-facts"));
  assert.deepEqual(await names("res-jb"), await names("--search", "res-jb"));
  const both = await names("gpt2", "--search", "res-jb resid_post");
  assert.deepEqual(both, ["gpt2-small-res-jb/blocks.11.hook_resid_post"]);
});

Deno.test("saes: bundled ones come first", async () => {
  const all = await saeRows(undefined, "");
  assert.match(String(all[0].sae), /^tiny-facts\//);
  assert.equal(all[0].loadable, true);
  const bundled = await saeRows("tiny-facts", "");
  assert.deepEqual(bundled, all.slice(0, bundled.length));
  assert.equal(all.length - bundled.length, 13_857);
  const keys = Object.keys(all[0]);
  for (const row of all) assert.deepEqual(Object.keys(row), keys);
});

Deno.test("saes: a column says what can be loaded, and why not", async () => {
  const row = async (name: string): Promise<unknown[]> => {
    const [{ loadable, why_not }] = await saeRows(undefined, name);
    return [loadable, why_not];
  };
  assert.deepEqual(await row("gpt2-small-res-jb/blocks.10.hook_resid_pre"), [true, null]);
  assert.deepEqual(await row("temporal-sae-gemma-2-2b"), [true, null]);
  const [canLoad, why] = await row("mntss-gemma-2-2b-2.5m-clt-as-per-layer");
  assert.equal(canLoad, false);
  assert.match(String(why), /one layer of a cross-layer transcoder: open all of it, hf:mntss/);
  const [canRun, model] = await row("gpt-oss-20b-andyrdt");
  assert.equal(canRun, false);
  assert.equal(model, "its model cannot be run: models of type gpt_oss are not supported");
});

Deno.test("saes: formats", async () => {
  const query = ["--model", "gpt2-small", "--search", "10-res-jb"];
  const csv = await runSaes(query);
  assert.equal(csv.stderr, "");
  assert.match(csv.stdout, /^sae,model,hook,.*\ngpt2-small-res-jb\/blocks\.10\.hook_resid_pre,gpt2-small,blocks\.10\./);
  const [record] = JSON.parse((await runSaes([...query, "--format", "json"])).stdout);
  assert.equal(record.repo, "jbloom/GPT2-Small-SAEs-Reformatted");
  assert.equal(record.config_overrides, '{"model_from_pretrained_kwargs":{"center_writing_weights":true}}');
  const table = await runSaes([...query, "--format", "table"]);
  assert.match(table.stdout, /^sae +model +loadable +why_not\n/);
  await inDirectory(async (directory) => {
    const { stdout } = await runSaes([...query, "--output", `${directory}/saes.csv`]);
    assert.equal(stdout, "");
    assert.equal(await Deno.readTextFile(`${directory}/saes.csv`), csv.stdout);
  });
});

Deno.test("saes: a terminal shows the first rows of many", async () => {
  const request = { search: "", destination: { format: "table", isChosen: false } };
  const script = `import { listSaes } from "${new URL("lib/cli/runs/names/saes.ts", ROOT)}";
    await listSaes(${JSON.stringify(request)});`;
  const { stdout, stderr } = await runScript(script, [], ["-A"]);
  assert.equal(stdout.trimEnd().split("\n").length, 101);
  assert.match(stderr, /^\nThese are the first 100 of \d+: narrow them with --model and --search/);
});

Deno.test("saes: nothing fits, an unknown model", async () => {
  const none = await runSaes(["--search", "no such words"]);
  assert.deepEqual([none.code, none.stdout.split("\n").length], [0, 2]);
  assert.match(none.stderr, /^No SAE fits/);
  const unknown = await runSaes(["--model", "gtp2"]);
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.stderr, /the nearest are gpt2/);
});

Deno.test("attribute and mod.ts do not load the lists when no listed name is given", async (t) => {
  for (const entry of ["mod.ts", "cli.ts", "lib/cli/runs/explain/attribute.ts", "lib/cli/runs/explain/predict.ts"]) {
    await t.step(`they are not among the modules of ${entry}`, async () => {
      const args = ["info", "--json", new URL(entry, ROOT).href];
      const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
      const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { specifier: string }[] };
      assert.ok(modules.length > 0);
      assert.deepEqual(modules.filter(({ specifier }) => specifier.includes("/models/registry/")), []);
    });
  }
  const permissions = ["--allow-read", "--allow-env", "--allow-sys", "--allow-net", `--deny-read=${LISTS}`];
  await t.step("attribute runs where they cannot be read", async () => {
    const { code, stderr } = await runCli(["attribute", " Tiger Woods plays the sport of", "--quiet"], { permissions });
    assert.equal(code, 0, stderr);
  });
  await t.step("saes does not", async () => {
    const { code, stderr } = await runSaes(["--search", "jb"], permissions);
    assert.notEqual(code, 0);
    assert.match(stderr, /NotCapable|Requires read access/);
  });
});
