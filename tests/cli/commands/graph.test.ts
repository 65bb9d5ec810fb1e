/** The commands `graph` and `edges`. */
import assert from "node:assert/strict";
import type { CircuitTracerGraph } from "../../../mod.ts";
import { UsageError } from "../../../lib/cli/args/args.ts";
import { parseRequest as parseEdges } from "../../../lib/cli/commands/circuits/edges.ts";
import { parseRequest as parseGraph } from "../../../lib/cli/commands/circuits/graph.ts";
import { fromFileUrl } from "../../../lib/weights/files/places.ts";
import { inDirectory, MODEL, PROMPT, runCli, SAES } from "../run_cli.ts";

const GRAPHS = fromFileUrl(new URL("../../data/graphs/", import.meta.url));
const TRANSCODERS = `${GRAPHS}gpt2/layer_{layer}.safetensors`;

Deno.test("graph: writes what circuit-tracer writes", async () => {
  const golden = JSON.parse(Deno.readTextFileSync(`${GRAPHS}gpt2/graph.json`)) as CircuitTracerGraph;
  await inDirectory(async (directory) => {
    const file = `${directory}/graph.json`;
    const { code, stdout, stderr } = await runCli([
      ...["graph", " Tiger Woods plays", "--model", MODEL, "--sae", TRANSCODERS, "--threads", "1"],
      ...["--max-n-logits", "4", "--slug", "tiny-gpt2", "--scan", "tiny-gpt2", "--output", file],
    ]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "");
    const got = JSON.parse(await Deno.readTextFile(file)) as CircuitTracerGraph;
    assert.deepEqual(got.metadata.prompt_tokens, golden.metadata.prompt_tokens);
    assert.equal(got.metadata.transcoder_list.length, 4);
    assert.deepEqual([got.nodes.length, got.links.length], [golden.nodes.length, golden.links.length]);
    const scores = Object.values((golden as unknown as { scores: Record<string, number> }).scores);
    Object.values(got.metadata.scores).forEach((x, i) => assert.ok(Math.abs(x - scores[i]) <= 1e-5, `${x}`));
    assert.match(
      stderr,
      /Graph +79 features of 79 active; after pruning \(nodes 0\.8, edges 0\.98\) \d+ features, 26 nodes/,
    );
    assert.match(stderr, /replacement 0\.441 .*completeness\s+0\.761/s);
    assert.doesNotMatch(stderr, /Warning/);
  });
});

Deno.test("graph: into the directory of circuit-tracer's page, again in the same place", async () => {
  await inDirectory(async (directory) => {
    const pages = `${directory}/graphs`;
    const make = async (slug: string): Promise<void> => {
      const args = ["--slug", slug, "--graph-file-dir", pages, "--threads", "1", "--quiet"];
      const { code, stdout, stderr } = await runCli(["graph", PROMPT, ...args]);
      assert.deepEqual([code, stdout, stderr], [0, "", ""]);
    };
    for (const slug of ["a", "b", "a"]) await make(slug);
    const read = async (name: string): Promise<CircuitTracerGraph> =>
      JSON.parse(await Deno.readTextFile(`${pages}/${name}.json`));
    const { graphs } = await read("graph-metadata") as unknown as { graphs: { slug: string }[] };
    assert.deepEqual(graphs.map(({ slug }) => slug), ["b", "a"]);
    assert.deepEqual((await read("a")).metadata, graphs[1]);
    await Deno.writeTextFile(`${pages}/graph-metadata.json`, "{}");
    const { code, stderr } = await runCli(["graph", PROMPT, "--graph-file-dir", pages, "--threads", "1", "--quiet"]);
    assert.equal(code, 1);
    assert.match(stderr, /^error: .*graph-metadata\.json has no list of "graphs": is it circuit-tracer's\?\n$/);
  });
});

Deno.test("graph: the bundled model, on standard output, and its MLPs without a transcoder", async () => {
  const { code, stdout, stderr } = await runCli(["graph", PROMPT, "--threads", "1", "--node-threshold", "0.99"]);
  assert.equal(code, 0, stderr);
  const { metadata, nodes, links } = JSON.parse(stdout) as CircuitTracerGraph;
  assert.equal(metadata.slug, "tiger-woods-plays-the-sport-of");
  assert.equal(metadata.scan, "tiny-facts");
  assert.equal(metadata.node_threshold, 0.99);
  assert.ok(links.length > 0);
  const [feature] = nodes.filter(({ feature_type }) => feature_type === "cross layer transcoder");
  assert.notEqual(feature.clerp, "", "the bundled transcoder has labels");
  assert.match(
    stderr,
    /Warning +layers 0, 1, 3 have no transcoder \(of 4\): all that these MLPs write counts as error/,
  );
});

Deno.test("edges: one target's rows, and its sum in words", async () => {
  const args = ["edges", PROMPT, "--target", "189@-1", "--labels", "--threads", "1"];
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  const [head, first, ...rest] = stdout.trimEnd().split("\n");
  assert.equal(
    head,
    "kind,source_hook,source_position,source_feature,target_hook,target_position,target_feature,weight,source_label,target_label",
  );
  assert.match(first, /^feature,blocks\.2\.hook_resid_pre,2,506,blocks\.3\.hook_resid_pre,6,189,3\.247/);
  const sum = [first, ...rest].reduce((total, line) => total + Number(line.split(",")[7]), 0);
  const [, value] = /feature 189 at ·of \(6\), blocks\.3\.hook_resid_pre: ([\d.]+) =/.exec(stderr)!;
  assert.ok(Math.abs(sum - Number(value)) <= 5e-3, `${sum} ${value}`);
});

Deno.test("edges: all active features at the last position, to a file", async () => {
  await inDirectory(async (directory) => {
    const file = `${directory}/edges.json`;
    const saes = ["--sae", `${SAES}/g-old-pre3`, "--sae", `${SAES}/g-topk-pre1`];
    const quiet = ["--quiet", "--threads", "1"];
    const top = ["--top", "5", "--features-only", "--output", file];
    const { code, stdout, stderr } = await runCli(["edges", PROMPT, "--model", MODEL, ...saes, ...top, ...quiet]);
    assert.deepEqual([code, stdout, stderr], [0, "", ""]);
    const rows = JSON.parse(await Deno.readTextFile(file)) as { kind: string; target_position: number }[];
    assert.equal(rows.length, 5);
    for (const { kind, target_position } of rows) assert.deepEqual([kind, target_position], ["feature", 9]);
  });
});

Deno.test("what cannot be understood is said", () => {
  const model = ["--model", MODEL];
  const cases: [() => unknown, RegExp][] = [
    [() => parseGraph([PROMPT, ...model]), /^no transcoder for .*: give --sae /],
    [() => parseGraph([PROMPT, "--node-threshold", "1.2"]), /^--node-threshold is "?1\.2/],
    [() => parseGraph([PROMPT, "--output", ""]), /^--output is empty/],
    [() => parseGraph([PROMPT, "--slug", "../a"]), /^--slug is "\.\.\/a": it is a file's name too/],
    [() => parseGraph([]), /^PROMPT is missing/],
    [() => parseEdges([PROMPT, ...model, "--sae", "a"]), /^edges go from one SAE to another and there is 1: /],
    [() => parseEdges([PROMPT, "--target", "12"]), /^--target is "12": write FEATURE@POSITION/],
    [() => parseEdges([PROMPT, "--target", "x@1"]), /^--target is "x@1": write /],
  ];
  for (const [parse, message] of cases) {
    assert.throws(parse, (error) => error instanceof UsageError && message.test(error.message), String(message));
  }
  assert.deepEqual(parseEdges([PROMPT, "--target", "12@-2", "--target", "3@0@blocks.3.hook_resid_pre"]).targets, [
    { feature: 12, position: -2 },
    { feature: 3, position: 0, hook: "blocks.3.hook_resid_pre" },
  ]);
});

Deno.test("graph: an SAE that is no transcoder ends with one line", async () => {
  const sae = ["--sae", "tiny-facts/blocks.3.hook_resid_pre", "--threads", "1"];
  const { code, stdout, stderr } = await runCli(["graph", PROMPT, ...sae]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^error: An attribution graph is of transcoders .*\n$/);
});
