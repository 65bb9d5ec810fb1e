import assert from "node:assert/strict";
import { goldenCases } from "../../attribution/golden.ts";
import { publishedCase } from "../../attribution/published.ts";
import { type FakeFile, type FakeHub, withHub } from "../../weights/hub/fake_hub.ts";
import { inDirectory, MODEL, type Outcome, runCli, SAE } from "../run_cli.ts";
import { runCommand } from "../run_command.ts";

/** Where the notebook's SAE is in its repository. */
const PLACE = "blocks.10.hook_resid_pre";

/** A small model and SAE where the real ones are: the default command then asks for exactly these files. */
function standIn(): Record<string, FakeFile> {
  const file = (path: string): FakeFile => ({ bytes: Deno.readFileSync(path), lfs: path.endsWith(".safetensors") });
  const model = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
  const sae = ["cfg.json", "sae_weights.safetensors"];
  return Object.fromEntries([
    ...model.map((name) => [name, file(`${MODEL}/${name}`)]),
    ...sae.map((name) => [`${PLACE}/${name}`, file(`${SAE}/${name}`)]),
  ]);
}

async function withStandIn(test: (hub: FakeHub, verify: (...args: string[]) => Promise<Outcome>) => Promise<void>) {
  await withHub(standIn(), async (hub, _, home) => {
    hub.repo = "gpt2";
    hub.otherRepos.push("jbloom/GPT2-Small-SAEs-Reformatted");
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, SAE_ATTRIBUTION_CACHE: `${home}/own` };
    await test(hub, (...args) => runCommand("verify", [...args, "--threads", "1"], env));
  });
}

const golden = goldenCases("seed").find(({ name }) => name === "gpt2-no_bos")!;

Deno.test("verify: figures of a model and an SAE by their public names, from the hub", async () => {
  await withStandIn(async (hub, verify) => {
    await inDirectory(async (directory) => {
      const file = `${directory}/figures.json`;
      const published = publishedCase(golden, "gpt2-small", `gpt2-small-res-jb/${PLACE}`);
      await Deno.writeTextFile(file, JSON.stringify(published));
      const { code, stdout, stderr } = await verify(file, "--format", "json");
      assert.equal(code, 0, stderr);
      const rows: { figure: string; published: unknown; computed: unknown; agrees: boolean }[] = JSON.parse(stdout);
      assert.ok(rows.length > 3 * published.attributions.length);
      assert.ok(rows.every(({ agrees }) => agrees));
      assert.match(stderr, /^gpt2-no_bos\n/);
      assert.match(stderr, /^ {2}ok {6}10 of 10 figures agree: tokens$/m);
      assert.ok(hub.log().some((line) => line.includes("/jbloom/GPT2-Small-SAEs-Reformatted/resolve/main/blocks.10")));
    });
  });
});

Deno.test("verify: the notebook's figures are not those of another model, and the exit code says so", async () => {
  await withStandIn(async (_, verify) => {
    const { code, stdout, stderr } = await verify("--format", "csv");
    assert.equal(code, 1);
    assert.match(stdout, /^figure,published,computed,tolerance,agrees\n/);
    assert.match(stdout, /^logit of rank 0,16\.408287,[-\d.]+,0\.0050005,false$/m);
    assert.match(stdout, /^token at position 0,<\|endoftext\|>,<\|endoftext\|>,,true$/m);
    assert.match(stdout, /^attribution of feature 14535 at position 2,0\.388522,0,0\.0010005,false$/m);
    assert.match(stderr, /^ {2}DIFFERS \d of 8 figures agree: tokens$/m);
    assert.match(stderr, /error: \d+ of 71 published figures do not agree, the first is the number of tokens: 7 was/);
  });
});

Deno.test("verify: local copies, and what is wrong in one line", async () => {
  await inDirectory(async (directory) => {
    const file = `${directory}/figures.json`;
    await Deno.writeTextFile(file, JSON.stringify(publishedCase(golden, "nowhere", "nothing")));
    const copies = ["--model", MODEL, "--sae", SAE, "--threads", "1"];
    const right = await runCli(["verify", file, ...copies, "--quiet", "--format", "csv"]);
    assert.deepEqual([right.code, right.stderr], [0, ""]);
    assert.ok(!right.stdout.includes("false"));
    await Deno.writeTextFile(file, JSON.stringify({ ...publishedCase(golden, "nowhere", "nothing"), metric: 3 }));
    const off = await runCli(["verify", file, ...copies, "--quiet", "--format", "csv"]);
    assert.equal(off.code, 1);
    assert.match(
      off.stderr,
      /^error: 1 of \d+ published figures do not agree, the first is the metric: 3 was published/,
    );
    await Deno.writeTextFile(file, "{");
    const failing: [string[], RegExp, number][] = [
      [[file], /^error: Cannot read figures from .*: it is not JSON \(.*\)\n$/, 1],
      [[`${directory}/none.json`], /^error: Cannot read figures from .*: there is no such file\n$/, 1],
      [[""], /^error: FILE is empty/, 2],
      [["--format", "x"], /^error: /, 2],
    ];
    for (const [args, message, code] of failing) {
      const outcome = await runCli(["verify", ...args]);
      assert.match(outcome.stderr, message);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ""]);
    }
  });
});
