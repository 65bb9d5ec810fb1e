/** --method, --baseline and --direct-effect: understood, recorded in every output, refused where they mean nothing. */
import assert from "node:assert/strict";
import { UsageError } from "../../../lib/cli/args/args.ts";
import { parseRequest } from "../../../lib/cli/commands/explain/attribute.ts";
import { readBaseline } from "../../../lib/request/request.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { inDirectory, ON_MODEL, PROMPT, runCli } from "../run_cli.ts";

Deno.test("the options, and what they are without", () => {
  const read = (...args: string[]) => {
    const { method, baseline, directEffect } = parseRequest([" golf", ...args]);
    return { method, baseline, directEffect };
  };
  assert.deepEqual(read(), { method: "gradient", baseline: "zero", directEffect: false });
  assert.deepEqual(read("--method", "relp", "--baseline", "mean:a:b.txt", "--direct-effect"), {
    method: "relp",
    baseline: { meanFile: "a:b.txt" },
    directEffect: true,
  });
  assert.deepEqual(readBaseline("prompt: a: b\nc"), { prompt: " a: b\nc" });
  assert.throws(() => read("--method", "shap"), {
    name: "UsageError",
    message: /^--method is "shap": choose gradient,/,
  });
  for (const wrong of ["", "median", "prompt:", "ids:", "mean:", "Zero"]) {
    assert.throws(() => read("--baseline", wrong), UsageError);
  }
  assert.throws(() => read("--baseline", "ids:1,x"), {
    message: '--baseline is "1,x": give whole numbers with commas between, at least 0',
  });
  assert.throws(() => read("--baseline", "mean", "--track", "hook_embed"), {
    message: /^--track shows activations as they are, which --baseline does not compare: leave out one of them$/,
  });
  assert.equal(parseRequest([" golf", "--track", "hook_embed"]).baseline, "zero");
});

const ATTRIBUTE = ["attribute", PROMPT, "--pos-token", " golf", "--neg-token", " tennis", ...ON_MODEL];
const OTHER = " Tom Brady plays the sport of";

Deno.test("method, baseline and direct effect are in every output", async () => {
  await inDirectory(async (directory) => {
    const files = ["--summary", `${directory}/run.json`, "--save-tensors", `${directory}/run.safetensors`];
    const { code, stdout, stderr } = await runCli([
      ...ATTRIBUTE,
      ...["--method", "frozen-pattern", "--baseline", `prompt:${OTHER}`, "--direct-effect", "--check"],
      ...["--columns", "position,feature,activation,baseline,gradient,attribution,direct_effect", ...files],
    ]);
    assert.equal(code, 0, stderr);
    const said = stderr.replace(/\s+/g, " ");
    assert.match(
      said,
      / Method activation × gradient with frozen attention patterns and direct effect, against the prompt/,
    );
    assert.match(said, / there the metric is [+-]\d/);
    assert.match(said, / \(activation − baseline\) × gradient with frozen attention patterns /);
    assert.match(said, / Direct features [+-]?\d.* goes straight to the metric, past later blocks /);
    assert.match(
      said,
      / Check blocks\.2\.hook_resid_pre: all features as in the baseline takes .* the strongest features alone: /,
    );
    const rows = stdout.trimEnd().split("\n").slice(1).map((line) => line.split(",").map(Number));
    assert.ok(rows.length > 10 && rows.some(([, , activation]) => activation === 0));
    for (const [, , activation, baseline, gradient, attribution] of rows) {
      assert.ok(Math.abs((activation - baseline) * gradient - attribution) <= 1e-5 * (1 + Math.abs(attribution)));
    }
    const summary = JSON.parse(await Deno.readTextFile(`${directory}/run.json`));
    assert.equal(summary.method.name, "frozen-pattern");
    assert.equal(summary.method.baseline.name, "prompt");
    assert.equal(summary.method.baseline.tokens.length, summary.tokens.length);
    assert.equal(typeof summary.method.baseline.metric, "number");
    assert.equal(summary.saes[0].direct_effect.total.length, summary.tokens.length);
    assert.equal(summary.check.hooks[0].gradient_central_difference, null);
    assert.equal(summary.check.hooks[0].patching.features.length, 10);
    await using source = openSource(directory);
    const { tensors } = await openSafetensors(source, { file: "run.safetensors" });
    for (const name of ["baseline", "sae_in_baseline", "sae_error_baseline", "direct_effect"]) {
      assert.ok(tensors.has(`blocks.2.hook_resid_pre/${name}`), name);
    }
    const head = new TextDecoder().decode((await Deno.readFile(`${directory}/run.safetensors`)).slice(8, 1000));
    assert.match(head, /"method":"frozen-pattern","baseline":"prompt"/);
  });
});

Deno.test("prompts that do not align are shown side by side", async () => {
  const { code, stdout, stderr } = await runCli([
    ...ATTRIBUTE,
    "--quiet",
    "--baseline",
    "prompt: Tom plays the sport of",
  ]);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  const lines = stderr.trimEnd().split("\n");
  assert.match(lines[0], /^position {3}prompt +baseline$/);
  assert.match(lines[1], /^ {7}0 {3}<\|endoftext\|> {2}<\|endoftext\|>$/);
  assert.ok(lines.some((line) => /^ +\d+ \* ·\S+ +·?\S+$/.test(line)));
  assert.match(lines.at(-1)!, /^error: The prompt has \d+ tokens, the baseline \d+: .* write a baseline of \d+$/);
});

Deno.test("the mean over a file of prompts; without one, a line that says so", async () => {
  await inDirectory(async (directory) => {
    const file = `${directory}/prompts.txt`;
    await Deno.writeTextFile(file, `${OTHER}\n\n[0, 5, 6]\n`);
    const { code, stderr } = await runCli([...ATTRIBUTE, "--baseline", `mean:${file}`]);
    assert.equal(code, 0);
    assert.match(
      stderr.replace(/\s+/g, " "),
      / Method activation × gradient, against the mean over 1\d positions of other prompts /,
    );
    const missing = await runCli([...ATTRIBUTE, "--baseline", `mean:${file}x`]);
    assert.deepEqual([missing.code, missing.stdout], [1, ""]);
    assert.match(missing.stderr, /^error: Cannot read prompts from \S+: there is no such file\n$/);
  });
});

Deno.test("a script for Python is refused for what SAELens does not compute", async () => {
  await inDirectory(async (directory) => {
    for (const args of [["--method", "relp"], ["--baseline", "mean"]]) {
      const { code, stdout, stderr } = await runCli([
        ...ATTRIBUTE,
        "--quiet",
        ...args,
        "--emit-python",
        `${directory}/a.py`,
      ]);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^error: .* has no Python counterpart here: leave out --emit-python/);
      assert.deepEqual([...Deno.readDirSync(directory)], []);
    }
  });
});
