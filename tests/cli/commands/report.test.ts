import assert from "node:assert/strict";
import { parseRequest } from "../../../lib/cli/commands/explain/report.ts";
import { UsageError } from "../../../lib/cli/args/args.ts";
import { inDirectory, MODEL, PROMPT, runCli, SAE } from "../run_cli.ts";

Deno.test("report: what a command line asks for", () => {
  const request = parseRequest([
    PROMPT,
    "--pos-token",
    " golf",
    "--no-error-term",
    "--output",
    "a.html",
    "--cards",
    "5",
  ]);
  assert.deepEqual(request.saes, [{ source: "tiny-facts/blocks.3.hook_resid_pre" }]);
  assert.deepEqual([request.output, request.cards, request.includeErrorTerm], ["a.html", 5, false]);
  assert.equal(request.metric.kind, "logit");
  assert.equal(parseRequest([PROMPT]).output, undefined);
  const mistakes: [string[], RegExp][] = [
    [[], /^PROMPT is missing/],
    [[PROMPT, "--output", ""], /^--output is empty/],
    [[PROMPT], /^a report is no text for a terminal: give --output report\.html$/],
    [
      [PROMPT, "--model", MODEL, "--output", "a.html"],
      /^no SAE for .*: give --sae with the name, directory or URL of one/,
    ],
    [[PROMPT, "--cards", "-1", "--output", "a.html"], /--cards/],
    [[PROMPT, "--format", "csv"], /^unknown option "--format"/],
  ];
  for (const [args, message] of mistakes) {
    assert.throws(() => parseRequest(args, true), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("report: from standard input, with explanations; nothing half-written", async (t) => {
  await inDirectory(async (directory) => {
    const on = ["--model", MODEL, "--sae", SAE, "--threads", "1", "--cards", "3"];
    await t.step("the prompt and the explanations are in it, and the command has the prompt", async () => {
      const explanations = `${directory}/texts.json`;
      const features = Array.from({ length: 96 }, (_, feature) => ({ feature, label: `<i>number ${feature}</i>` }));
      await Deno.writeTextFile(explanations, JSON.stringify(features));
      const file = `${directory}/it's a report.html`;
      const args = ["report", "-", ...on, "--explanations", explanations, "--output", file];
      const { code, stdout, stderr } = await runCli(args, { stdin: `${PROMPT}\n` });
      assert.deepEqual([code, stdout], [0, ""], stderr);
      assert.match(stderr, /it's a report\.html: \d+ KB, to be opened in a browser\n$/);
      const html = await Deno.readTextFile(file);
      const data = JSON.parse(/<script type="application\/json" id="data">(.*)<\/script>/.exec(html)![1]);
      assert.match(Object.values(data.saes[0].labels)[0] as string, /^<i>number \d+<\/i>$/);
      assert.ok(!html.includes("<i>number"), "it is escaped");
      assert.ok(data.command.startsWith(`deno run -A cli.ts report '${PROMPT}' --model `));
      assert.ok(data.command.endsWith(String.raw`/it'\''s a report.html'`));
    });
    await t.step("warnings are on standard error too, unless that is to be quiet", async () => {
      const args = ["report", `${PROMPT} `, ...on];
      const [said, quiet] = await Promise.all([runCli(args), runCli([...args, "--quiet"])]);
      assert.match(said.stderr, /^Warning +The prompt ends with a space/m);
      assert.match(said.stdout, /"warnings":\[[^\]]*"The prompt ends with a space/);
      assert.deepEqual([quiet.code, quiet.stderr], [0, ""]);
    });
    await t.step("a failure leaves no file", async () => {
      const file = `${directory}/none/report.html`;
      const failed = await runCli(["report", PROMPT, ...on, "--output", file]);
      assert.deepEqual([failed.code, failed.stdout], [1, ""]);
      assert.match(failed.stderr, /error: Cannot write .*: the directory .* does not exist, make it first\n$/);
      const wrong = await runCli([
        "report",
        PROMPT,
        ...on,
        "--pos-token",
        " golfing",
        "--output",
        `${directory}/b.html`,
      ]);
      assert.equal(wrong.code, 1);
      assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), [
        "it's a report.html",
        "texts.json",
      ]);
    });
  });
});
