import { SCRIPT } from "../../lib/report/client/built.ts";
import assert from "node:assert/strict";
import { extname } from "node:path/posix";

const ROOT = new URL("../../", import.meta.url);
const PROMPT = " Tiger Woods plays the sport of";
const TYPES: Readonly<Record<string, string>> = { ".ts": "application/typescript", ".json": "application/json" };

/** Serves the repository's files, as a static host would. */
function serveRepository(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(1);
    try {
      const bytes = await Deno.readFile(new URL(path, ROOT));
      const headers = { "content-type": TYPES[extname(path)] ?? "application/octet-stream" };
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
      if (!range) return new Response(bytes, { headers });
      const [start, end] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
      const contentRange = `bytes ${start}-${end}/${bytes.length}`;
      return new Response(bytes.subarray(start, end + 1), {
        status: 206,
        headers: { ...headers, "content-range": contentRange },
      });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
}

async function run(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: [...args], ...options }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** A program's beginning that leaves it as a page is; packages for Deno still find Node's Buffer. */
const WITHOUT_DENO = `for (const name of ["Deno", "process"]) Reflect.deleteProperty(globalThis, name);`;

Deno.test("mod.ts and cli.ts work when imported over http from another directory, without a config, mod.ts also without Deno", async () => {
  await using server = serveRepository();
  const base = `http://127.0.0.1:${server.addr.port}`;
  const directory = await Deno.makeTempDir();
  try {
    const script = (before: string): string =>
      `${before}
      const { calculateFeatureAttribution, loadModel, loadSae, logitDiff } = await import("${base}/mod.ts");
      await using model = await loadModel(undefined, { threads: 1 });
      await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
      const metric = logitDiff(" golf", " tennis");
      const result = await calculateFeatureAttribution(model, "${PROMPT}", metric, { saes: [sae] });
      for (const { position, feature, attribution } of result.rows(sae.hookOut)) {
        console.log([position, feature, Number(attribution.toPrecision(9))].join());
      }`;
    await Deno.writeTextFile(`${directory}/script.ts`, script(""));
    await Deno.writeTextFile(`${directory}/elsewhere.ts`, script(WITHOUT_DENO));
    const common = ["run", "-A", "--no-config", "--no-lock", `--reload=${base}`];
    const imported = await run([...common, "script.ts"], { cwd: directory });
    assert.equal(imported.code, 0, imported.stderr);
    const elsewhere = await run([...common, "elsewhere.ts"], { cwd: directory });
    assert.deepEqual(elsewhere, imported, "without the global Deno");
    const answers = ["--pos-token", " golf", "--neg-token", " tennis", "--threads", "1", "--quiet", "--format", "csv"];
    const command = await run([...common, `${base}/cli.ts`, "attribute", PROMPT, ...answers], { cwd: directory });
    assert.equal(command.code, 0, command.stderr);
    assert.equal(command.stdout, `position,feature,attribution\n${imported.stdout}`);
    assert.ok(imported.stdout.split("\n").length > 10);
    const reported = await run([...common, `${base}/cli.ts`, "report", PROMPT, "--threads", "1", "--quiet"], {
      cwd: directory,
    });
    assert.equal(reported.code, 0, reported.stderr);
    assert.match(reported.stdout, /^<!DOCTYPE html>[^]*<\/html>\n$/);
    assert.ok(reported.stdout.includes(SCRIPT), "the report has its script");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** The packages in a cache directory, and nothing about where they came from. */
async function packagesIn(cache: string): Promise<string[]> {
  const found: string[] = [];
  for await (const registry of Deno.readDir(`${cache}/npm`)) {
    if (!registry.isDirectory) continue;
    for await (const entry of Deno.readDir(`${cache}/npm/${registry.name}`)) {
      if (!entry.name.startsWith("@")) found.push(entry.name);
      else {for await (const scoped of Deno.readDir(`${cache}/npm/${registry.name}/${entry.name}`)) {
          if (await hasVersion(`${cache}/npm/${registry.name}/${entry.name}/${scoped.name}`)) {
            found.push(`${entry.name}/${scoped.name}`);
          }
        }}
    }
  }
  const installed: string[] = [];
  for (const name of found.sort()) {
    for await (const registry of Deno.readDir(`${cache}/npm`)) {
      if (await hasVersion(`${cache}/npm/${registry.name}/${name}`)) installed.push(name);
    }
  }
  return installed;
}

/** A package that was downloaded has a directory per version; one that was only looked up has none. */
async function hasVersion(directory: string): Promise<boolean> {
  try {
    for await (const entry of Deno.readDir(directory)) if (entry.isDirectory && /^\d/.test(entry.name)) return true;
  } catch { /* there is no such directory */ }
  return false;
}

Deno.test("attribute downloads only what it needs", async () => {
  const cache = await Deno.makeTempDir();
  try {
    const args = ["run", "-A", new URL("cli.ts", ROOT).href, "attribute", PROMPT, "--threads", "1", "--quiet"];
    const { code, stderr } = await run(args, { env: { DENO_DIR: cache } });
    if (code !== 0 && /error sending request|failed to lookup|connect/i.test(stderr)) {
      console.log("skipped: no package registry is reachable");
      return;
    }
    assert.equal(code, 0, stderr);
    const installed = await packagesIn(cache);
    // The CSV writer; kernels and tokenizer are our own.
    assert.deepEqual(installed, ["csv-stringify"]);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});
