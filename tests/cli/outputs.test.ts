import assert from "node:assert/strict";
import { inDirectory, MODEL, PROMPT, runCli, SAE } from "./run_cli.ts";

/** A model that is not there: whoever complains of it has looked at the output before. */
const NO_MODEL = ["--model", "./no-such-model", "--sae", "./no-such-sae"];

/** Every option that names what is written, and a command line that would come to it. */
const OUTPUTS: readonly [command: readonly string[], option: string, kind: "file" | "directory"][] = [
  [["predict", PROMPT, ...NO_MODEL], "--output", "file"],
  [["attribute", PROMPT, ...NO_MODEL], "--output", "file"],
  [["attribute", PROMPT, ...NO_MODEL], "--summary", "file"],
  [["attribute", PROMPT, ...NO_MODEL], "--save-tensors", "file"],
  [["attribute", PROMPT, ...NO_MODEL], "--emit-python", "file"],
  [["report", PROMPT, ...NO_MODEL], "--output", "file"],
  [["ablate", PROMPT, ...NO_MODEL], "--output", "file"],
  [["evaluate", PROMPT, ...NO_MODEL], "--output", "file"],
  [["select", PROMPT, ...NO_MODEL], "--output", "file"],
  [["select", PROMPT, ...NO_MODEL], "--summary", "file"],
  [["interactions", PROMPT, ...NO_MODEL], "--output", "file"],
  [["steer", PROMPT, "--set", "1@0=0", ...NO_MODEL], "--output", "file"],
  [["graph", PROMPT, ...NO_MODEL], "--output", "file"],
  [["graph", PROMPT, ...NO_MODEL], "--graph-file-dir", "directory"],
  [["edges", PROMPT, ...NO_MODEL, "--sae", "./other"], "--output", "file"],
  [["batch", "no-such-input.csv", ...NO_MODEL], "--output", "directory"],
  [["batch", "no-such-input.csv", ...NO_MODEL], "--output", "file"],
  [["evals", "no-such-input.txt", ...NO_MODEL], "--output", "file"],
  [["models", "--search", "no such model"], "--output", "file"],
  [["saes", "--search", "no such sae"], "--output", "file"],
  [["verify", "no-such-figures.json"], "--output", "file"],
  [["pull", "no-such-owner/no-such-name"], "--output", "file"],
  [["cache"], "--output", "file"],
];

/** Runs a command line that must fail, with one line on standard error and nothing else. */
async function fails(args: readonly string[], permissions?: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, { permissions, env: { HF_HUB_OFFLINE: "1" } });
  assert.deepEqual([code, stdout], [1, ""], args.join(" "));
  assert.match(stderr, /^error: [^\n]*\n$/, args.join(" "));
  assert.doesNotMatch(stderr, /os error/);
  return stderr;
}

Deno.test("outputs: what cannot be written is found before the work, in every command", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/file.csv`, "old");
    for (const [command, option, kind] of OUTPUTS) {
      const ending = command[0] === "batch" ? ".csv" : ""; // by which it knows a file
      const to = async (path: string): Promise<string> => await fails([...command, option, path]);
      if (kind === "file") {
        assert.match(
          await to(`${directory}/none/x${ending}`),
          /Cannot write .*the directory .*\/none does not exist, make it first/,
        );
        assert.match(await to(`${directory}/file.csv/x${ending}`), /file\.csv is no directory, choose another place/);
        const name = `${directory}/taken${ending}`;
        await Deno.mkdir(name, { recursive: true });
        assert.match(await to(name), /it is a directory, give a file/);
        assert.match(await to(`${directory}/${"x".repeat(300)}${ending}`), /its name is too long, give a shorter one/);
      } else {
        assert.match(await to(`${directory}/file.csv/run`), /file\.csv is no directory, choose another place/);
      }
    }
    const left = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["file.csv", "taken", "taken.csv"]);
    assert.equal(await Deno.readTextFile(`${directory}/file.csv`), "old");
  }));

Deno.test("outputs: what Deno does not allow is found before the work, in every command", () =>
  inDirectory(async (directory) => {
    for (const [command, option, kind] of OUTPUTS) {
      const path = `${directory}/x${command[0] === "batch" && kind === "file" ? ".csv" : ""}`;
      const message = await fails([...command, option, path], ["-A", `--deny-write=${directory}`]);
      assert.match(message, /Cannot write .*: Deno was not allowed to, run it with --allow-read and --allow-write/);
    }
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  }));

Deno.test("outputs: a list of graphs to which none can be added", () =>
  inDirectory(async (directory) => {
    const list = `${directory}/graph-metadata.json`;
    await Deno.writeTextFile(list, "{}");
    const message = await fails(["graph", PROMPT, ...NO_MODEL, "--graph-file-dir", directory]);
    assert.match(message, /graph-metadata\.json has no list of "graphs"/);
    assert.equal(await Deno.readTextFile(list), "{}");
  }));

Deno.test("outputs: one file for two things, and a file that is read", () =>
  inDirectory(async (directory) => {
    const prompts = `${directory}/prompts.txt`;
    await Deno.writeTextFile(prompts, " Tiger Woods plays the sport of\n");
    const cases: [string[], RegExp][] = [
      [
        ["attribute", PROMPT, "--output", `${directory}/a`, "--summary", `${directory}/a`],
        /^error: --summary ".*\/a" is that of --output too: give another file\n$/,
      ],
      [
        [
          "attribute",
          PROMPT,
          "--output",
          `${directory}/b`,
          "--emit-python",
          `${directory}/../${directory.split("/").at(-1)}/b`,
        ],
        /is that of --output too/,
      ],
      [
        ["evals", prompts, "--output", prompts],
        /^error: --output ".*prompts\.txt" is what is read too: give another file\n$/,
      ],
      [["attribute", PROMPT, "--explanations", prompts, "--summary", prompts], /is what is read too/],
      [["attribute", PROMPT, "--baseline", `mean:${prompts}`, "--output", prompts], /is what is read too/],
      [
        ["attribute", PROMPT, "--sae", `${prompts}@blocks.3.hook_resid_pre`, "--output", prompts],
        /is what is read too/,
      ],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runCli(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    }
    assert.equal(await Deno.readTextFile(prompts), " Tiger Woods plays the sport of\n");
  }));

Deno.test("inputs: no raw words of the system, whatever is wrong with a file", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/file`, "");
    const long = "x".repeat(300);
    const on = ["--model", MODEL, "--sae", SAE, "--threads", "1", "--quiet"];
    const places = [directory, `${directory}/none`, `${directory}/file/x`, `${directory}/${long}`];
    const commands = (place: string): string[][] => [
      ["evals", place, ...on],
      ["verify", place],
      ["batch", place, "--input-format", "csv", "--output", `${directory}/run`, ...on],
      ["batch", place, "--input-format", "parquet", "--output", `${directory}/run`, ...on],
      ["attribute", PROMPT, ...on, "--explanations", place],
      ["attribute", PROMPT, ...on, "--baseline", `mean:${place}`],
      ["attribute", PROMPT, "--model", MODEL, "--sae", place],
      ["predict", PROMPT, "--model", place],
    ];
    for (const place of places) for (const args of commands(place)) await fails(args);
    for (const args of commands(`${directory}/file`).slice(0, 6)) {
      const message = await fails(args, ["-A", `--deny-read=${directory}/file`]);
      assert.match(message, /Deno was not allowed to, run it with --allow-read|run again with the --allow-read flag/);
    }
  }));
