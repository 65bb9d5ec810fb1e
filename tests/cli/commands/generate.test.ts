/** `generate` as a user runs it. */
import assert from "node:assert/strict";
import { parse } from "../../../lib/deps/csv_parse.ts";
import { parseRequest } from "../../../lib/cli/commands/explain/generate.ts";
import { parseRequest as parseSteer } from "../../../lib/cli/commands/change/steer.ts";
import { loadModel, loadSae, steerText } from "../../../mod.ts";
import { cliCommand, inDirectory, MODEL, PROMPT, runCli, SAE } from "../run_cli.ts";

const ON_MODEL = ["--model", MODEL, "--threads", "1"];

async function expectedText(maxTokens: number): Promise<string> {
  await using model = await loadModel(MODEL, { threads: 1 });
  const tokens = await Array.fromAsync(model.generate(PROMPT, { maxTokens }));
  return tokens.map(({ text }) => text).join("");
}

Deno.test("generate prints the text alone on standard output, and why it ended on standard error", async () => {
  const { code, stdout, stderr } = await runCli(["generate", PROMPT, "--max-tokens", "6", ...ON_MODEL]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${await expectedText(6)}\n`);
  assert.match(stderr, /Prompt {6}<\|endoftext\|>/);
  assert.match(stderr, /Ended {7}after 6 tokens by --max-tokens/);
  const quiet = await runCli(["generate", PROMPT, "--max-tokens", "6", "--quiet", ...ON_MODEL]);
  assert.deepEqual([quiet.stdout, quiet.stderr], [stdout, ""]);
});

Deno.test("generate writes a table of its tokens, and ends at a stop text", async () => {
  await inDirectory(async (directory) => {
    const text = await expectedText(6);
    const stop = text.slice(3, 5);
    const file = `${directory}/tokens.csv`;
    const { code, stdout, stderr } = await runCli(
      ["generate", PROMPT, "--max-tokens", "6", "--stop", stop, "--output", file, ...ON_MODEL],
    );
    assert.deepEqual([code, stdout], [0, ""], stderr);
    assert.match(stderr, /by a stop text/);
    const rows = parse(await Deno.readTextFile(file), { columns: true }) as Record<string, string>[];
    assert.deepEqual(Object.keys(rows[0]), ["position", "token", "id", "log_probability"]);
    assert.ok(rows.length <= 6 && rows.every((row) => Number(row.log_probability) <= 0));
  });
});

Deno.test("Ctrl-C ends generate with what was printed", { ignore: Deno.build.os === "windows" }, async () => {
  const child = cliCommand(["generate", PROMPT, "--max-tokens", "100", "--quiet"]).spawn();
  const reader = child.stdout.getReader();
  let text = "";
  const decoder = new TextDecoder();
  let isTold = false;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += decoder.decode(part.value, { stream: true });
    if (!isTold) child.kill("SIGINT");
    isTold = true;
  }
  const [{ code }, stderr] = [await child.status, await new Response(child.stderr).text()];
  // A short text may have come to its end before.
  if (code === 0) return assert.equal(stderr, "");
  assert.deepEqual([code, text.endsWith("\n")], [130, true]);
  assert.match(stderr, /^error: stopped after \d+ tokens?\n$/);
});

Deno.test("generate refuses what it cannot do", () => {
  assert.throws(() => parseRequest(["x", "--top-p", "0.5"]), /--top-p means nothing/);
  assert.throws(() => parseRequest(["x", "--stop", ""]), /--stop is empty/);
  assert.throws(() => parseRequest(["x", "--temperature", "-1"]), /--temperature/);
  assert.throws(() => parseRequest(["x", "--max-tokens", "0"]), /--max-tokens/);
  assert.throws(() => parseRequest([]), /PROMPT is missing/);
  const { generation, destination } = parseRequest(["x", "--temperature", "1", "--stop", "a", "--stop", "b"], true);
  assert.deepEqual(generation, { maxTokens: 64, temperature: 1, topP: 1, seed: 0, stop: ["a", "b"] });
  assert.equal(destination, undefined);
});

Deno.test("steer --generate writes a text for each strength", async () => {
  const on = ["--sae", SAE, ...ON_MODEL];
  const args = ["steer", PROMPT, "--add", "5@new=9", "--set", "83@0=0", "--generate", "5", "--strengths", "0,1,-2"];
  const { code, stdout, stderr } = await runCli([...args, ...on]);
  assert.equal(code, 0, stderr);
  const rows = parse(stdout, { columns: true }) as Record<string, string>[];
  await using model = await loadModel(MODEL, { threads: 1 });
  await using sae = await loadSae(SAE);
  const { texts } = await steerText(model, PROMPT, [
    { feature: 5, position: "new", how: "add", value: 9 },
    { feature: 83, position: 0, how: "set", value: 0 },
  ], { saes: [sae], strengths: [0, 1, -2], maxTokens: 5 });
  assert.deepEqual(rows.map(({ strength, text }) => [strength, text]), [["0", texts[0].text], ["1", texts[1].text], [
    "-2",
    texts[2].text,
  ]]);
  rows.forEach((row, i) => {
    assert.ok(Math.abs(Number(row.perplexity) / texts[i].perplexity - 1) < 1e-5);
    assert.ok(Math.abs(Number(row.activation_5) - texts[i].activations[0].mean) < 1e-5);
    assert.ok(Math.abs(Number(row.activation_83) - texts[i].activations[1].mean) < 1e-5);
  });
  assert.match(stderr, /Strength 0\n[^]*Strength 1\n[^]*Strength -2\n/);
});

Deno.test("steer refuses options that mean nothing with texts, or without", () => {
  const add = ["x", "--add", "5@*=1"];
  const refused = (args: string[], message: RegExp): void => {
    assert.throws(() => parseSteer([...add, ...args]), message);
  };
  refused(["--seed", "1"], /--seed means nothing without --generate N/);
  refused(["--strengths", "0,1"], /--strengths means nothing without --generate N/);
  refused(["--generate", "3", "--top", "2"], /--top means nothing with --generate N/);
  refused(["--generate", "3", "--no-error-term"], /--no-error-term means nothing with --generate N/);
  refused(["--generate", "3", "--strengths", "0,,1"], /write numbers/);
  refused(["--set", "5@new=1"], /position new means nothing without --generate N/);
  const { text, interventions } = parseSteer([...add, "--set", "6@prompt=0", "--generate", "3", "--strengths", "2,-1"]);
  assert.deepEqual(text!.strengths, [2, -1]);
  assert.deepEqual(interventions.map(({ position }) => position), ["all", "prompt"]);
});
