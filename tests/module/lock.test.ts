/** deno.lock has every package that anything here loads, all of them are held to it, and nothing that is run writes it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import { inDirectory, PROMPT } from "../cli/run_cli.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
/** What the program consists of: a checkout without its tests. */
const PROGRAM = ["cli.ts", "mod.ts", "deno.json", "deno.lock", "lib", "models"];
const PARQUET = `${ROOT}tests/data/batch/prompts.parquet`;
const EXACT = /^npm:(?:@[\w-]+\/)?[\w-]+@\d+\.\d+\.\d+(?=$|\/)/;
const CHECKSUM = /^sha512-[\w+/]{86}==$/;

interface Lock {
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

const readLock = (directory: string): Lock => JSON.parse(Deno.readTextFileSync(`${directory}deno.lock`));

/** Files below a path, those of test data left out. */
function* filesOf(path: string): Generator<string> {
  if (Deno.statSync(path).isFile) return yield path;
  for (const { name } of Deno.readDirSync(path)) {
    if (`${path}/${name}` !== `${ROOT}tests/data`) yield* filesOf(`${path}/${name}`);
  }
}

function digests(directory: string): Record<string, string> {
  const files = [...Deno.readDirSync(directory)].flatMap(({ name }) => [...filesOf(`${directory}/${name}`)]).sort();
  return Object.fromEntries(files.map((file) => [
    file.slice(directory.length + 1),
    createHash("sha256").update(Deno.readFileSync(file)).digest("hex"),
  ]));
}

function copy(from: string, to: string): void {
  if (Deno.statSync(from).isFile) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to);
  for (const { name } of Deno.readDirSync(from)) copy(`${from}/${name}`, `${to}/${name}`);
}

/** A checkout of its own, in which modules are run with no flags but -A. */
async function inCheckout(
  test: (
    checkout: string,
    run: (args: readonly string[], env?: Record<string, string>) => Promise<{ code: number; stderr: string }>,
    outputs: string,
  ) => Promise<void>,
): Promise<void> {
  await inDirectory(async (directory) => {
    const checkout = `${directory}/checkout`;
    Deno.mkdirSync(checkout);
    for (const name of PROGRAM) copy(`${ROOT}${name}`, `${checkout}/${name}`);
    await test(checkout, async (args, env) => {
      const options = { args: ["run", "-A", ...args], cwd: checkout, env };
      const { code, stderr } = await new Deno.Command(Deno.execPath(), options).output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    }, directory);
  });
}

/** A small model with a chat template. */
function chatModel(directory: string): string {
  const model = `${directory}/model`;
  copy(`${ROOT}tests/data/models/llama31`, model);
  Deno.writeTextFileSync(`${model}/chat_template.jinja`, "{{ messages[0].content }}");
  return model;
}

/** A registry whose packages are none: what was asked of it. */
function falseRegistry(): { url: string; asked: Set<string> } & AsyncDisposable {
  const asked = new Set<string>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    const [, name] = /^\/((?:@[^/]+\/)?[^/]+)/.exec(decodeURIComponent(new URL(url).pathname))!;
    asked.add(name);
    return url.endsWith(".tgz") ? new Response("other bytes") : new Response(null, { status: 404 });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

Deno.test("deno.lock holds the packages that the sources name, all with a version and a checksum, and no others", () => {
  const sources = [...PROGRAM, "tests"].flatMap((name) => [...filesOf(`${ROOT}${name}`)]).filter((file) =>
    /\.(?:ts|js|html)$/.test(file)
  );
  const packages = sources.flatMap((file) => {
    const named = Deno.readTextFileSync(file).matchAll(/(?:from|import)\s*\(?\s*["'`]((?:npm|jsr):[^"'`]*)/g);
    return Array.from(named, ([, specifier]) => {
      const [exact] = EXACT.exec(specifier) ?? [];
      assert.ok(exact, `${file}: ${specifier} has no exact version`);
      return exact;
    });
  });
  const { specifiers, npm } = readLock(ROOT);
  assert.deepEqual(Object.keys(specifiers).sort(), [...new Set(packages)].sort(), "run `deno task lock`");
  for (const [name, { integrity }] of Object.entries(npm)) assert.match(integrity, CHECKSUM, name);
});

Deno.test("onnxruntime-node, which npm installs for the tests, is the guide's, and its packages have checksums", () => {
  const { packages } = JSON.parse(Deno.readTextFileSync(`${ROOT}.ci/onnxruntime-node/package-lock.json`));
  const { "": asked, ...installed } = packages as Record<string, { version: string; integrity?: string }>;
  const { version } = installed["node_modules/onnxruntime-node"];
  assert.deepEqual(asked, { dependencies: { "onnxruntime-node": version } });
  const guide = Deno.readTextFileSync(`${ROOT}.github/guide/speed-and-devices.md`);
  assert.ok(guide.includes(`npm install onnxruntime-node@${version}`));
  for (const [name, { integrity }] of Object.entries(installed)) assert.match(integrity ?? "", CHECKSUM, name);
});

Deno.test("a package that is not as deno.lock has it is refused, and a first command asks for one only", async () => {
  await inCheckout(async (checkout, run, outputs) => {
    await using registry = falseRegistry();
    const env = { NPM_CONFIG_REGISTRY: registry.url, DENO_DIR: `${outputs}/cache` };
    const first = await run(["cli.ts", "attribute", PROMPT, "--threads", "1"], env);
    assert.equal(first.code, 1, first.stderr);
    assert.deepEqual([...registry.asked], ["csv-stringify"]);
    const modules = [...filesOf(`${checkout}/lib/deps`)].filter((file) =>
      Deno.readTextFileSync(file).includes('"npm:')
    );
    for (const file of modules) {
      const { code, stderr } = await run([file], env);
      assert.deepEqual([code, /Tarball checksum did not match/.test(stderr)], [1, true], `${file}\n${stderr}`);
    }
    const kept = [...filesOf(`${env.DENO_DIR}/npm`)].filter((file) => !file.endsWith("/registry.json"));
    assert.deepEqual(kept, []);
  });
});

Deno.test("commands that load more packages leave the checkout as it is", async () => {
  await inCheckout(async (checkout, run, outputs) => {
    const before = digests(checkout);
    const labels = `${outputs}/labels.csv`;
    Deno.writeTextFileSync(labels, "feature,label\n189,the answer\n");
    const parquet = ["batch", PARQUET, "--output"];
    const runs: [number, string[]][] = [
      [0, ["attribute", PROMPT, "--explanations", labels]],
      [0, [...parquet, `${outputs}/rows.parquet`]],
      [0, ["predict", "Hi", "--chat", "--model", chatModel(outputs)]],
      [0, ["predict", "Hi", "--device", "onnx"]],
      // Nobody answers there: BullMQ is loaded, and says so.
      [1, [...parquet, `${outputs}/queue`, "--queue", "redis://127.0.0.1:1"]],
    ];
    for (const [expected, args] of runs) {
      const { code, stderr } = await run(["cli.ts", ...args, "--threads", "1"]);
      assert.equal(code, expected, `${args.join(" ")}\n${stderr}`);
      if (expected === 1) assert.match(stderr, /Cannot reach Redis/);
    }
    assert.deepEqual(digests(checkout), before);
  });
});
