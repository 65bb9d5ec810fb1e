/** The hub and the user's own files in a real browser, which enforces its own rules: against a hub on another origin. */
import assert from "node:assert/strict";
import { runCli } from "../cli/run_cli.ts";
import { withTensor } from "../weights/add_tensor.ts";
import { makeRandom } from "../weights/fixtures.ts";
import { etagOf, type FakeFile, FakeHub } from "../weights/hub/fake_hub.ts";
import { keepPageRules } from "../weights/hub/page_rules.ts";
import { browserTest, type Watched } from "./browser.ts";
import { serveHubPage } from "./hub_site.ts";

const DATA = new URL("../data/", import.meta.url);
const [MODEL, SAE] = ["models/llama", "saes/llama-std-pre1"];
const QUESTION = {
  model: "owner/tiny-llama",
  saes: ["hf:owner/tiny-llama:sae"],
  prompt: " Tiger Woods plays the sport of",
  pos_id: [333],
  neg_id: [216],
  format: "jsonl",
};

/** Bytes of a tensor that nobody needs. */
const PADDING = 3_000_000;

/** A repository with the model, and the SAE below. */
async function repository(): Promise<Record<string, FakeFile>> {
  const files: Record<string, FakeFile> = {};
  for (const [directory, prefix] of [[MODEL, ""], [SAE, "sae/"]]) {
    for await (const { name, isFile } of Deno.readDir(new URL(directory, DATA))) {
      if (!isFile) continue;
      const bytes = await Deno.readFile(new URL(`${directory}/${name}`, DATA));
      const isModel = name === "model.safetensors";
      // As large as files that are read in parts; what is not used is not fetched.
      files[prefix + name] = {
        bytes: isModel ? withTensor(bytes, "unused", PADDING) : bytes,
        lfs: name.endsWith(".safetensors"),
      };
    }
  }
  return files;
}

interface Told {
  readonly answer?: { readonly text?: string; readonly download?: number; readonly stored?: number };
  readonly error?: string;
  readonly events?: readonly { readonly type: string }[];
}

/** Rows without what names the SAE. */
function rowsOf(lines: string): string[] {
  return lines.trim().split("\n").map((line) => JSON.parse(line))
    .map(({ position, feature, attribution }) => `${position} ${feature} ${attribution}`);
}

async function expectedRows(): Promise<string[]> {
  const place = (path: string): string => new URL(path, DATA).pathname;
  const { stdout } = await runCli([
    ...["attribute", QUESTION.prompt, "--model", place(MODEL), "--sae", place(SAE)],
    ...["--pos-id", "333", "--neg-id", "216", "--format", "jsonl", "--quiet", "--device", "wasm", "--threads", "1"],
  ]);
  return rowsOf(stdout);
}

/** Opens the page with an engine that asks this hub. */
async function open({ page }: Watched, url: string, variables: Record<string, string>) {
  await page.goto(url);
  await page.waitForFunction("globalThis.begin !== undefined");
  await page.evaluate(`begin(${JSON.stringify(variables)})`);
  const ask = (...args: readonly unknown[]): Promise<Told> =>
    page.evaluate(`ask(...${JSON.stringify(args)})`) as Promise<Told>;
  return ask;
}

/** A strict hub with the repository, closed at the end or before. */
async function startHub(): Promise<{ readonly hub: FakeHub; readonly broken: readonly string[] }> {
  const hub = new FakeHub(await repository());
  hub.repo = "owner/tiny-llama";
  return { hub, broken: keepPageRules(hub).broken };
}

browserTest("a model of the hub in a page: by the browser's own rules, once, and offline", async (browser) => {
  const expected = await expectedRows();
  assert.ok(expected.length > 20);
  await using site = await serveHubPage();
  const { hub, broken } = await startHub();
  const random = makeRandom(2);
  let cuts = 0;
  const { fault } = hub;
  hub.fault = (request, seen) => {
    const name = seen.path.slice(1);
    const isCut = seen.at === "storage" && hub.files.has(name) && seen.range !== "bytes=0-0" && cuts < 10;
    if (!isCut || request.method !== "GET") return fault(request, seen);
    cuts++;
    return hub.cut(request, name, 1 + Math.floor(random() * 10_000));
  };
  const watched = await browser.open({ allowed: [site.host, ...hub.hosts] });
  const variables = { HF_ENDPOINT: hub.endpoint };
  let ask = await open(watched, site.url, variables);
  const { answer: price } = await ask("price", QUESTION);
  const files = Object.values(await repository());
  const total = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(price!.download! > 0 && price!.download! + price!.stored! <= total - PADDING, JSON.stringify(price));
  const first = await ask("attribute", QUESTION);
  assert.equal(first.error, undefined);
  assert.deepEqual(rowsOf(first.answer!.text!), expected);
  assert.equal(cuts, 10);
  assert.ok(first.events!.some(({ type }) => type === "downloading"));
  assert.ok(hub.bytesOf("model.safetensors") < hub.files.get("model.safetensors")!.bytes.length - PADDING / 2);
  assert.deepEqual(broken, []);
  assert.deepEqual(hub.seen.filter(({ method }) => method !== "GET"), []);
  const size = (await ask("size")).answer as number;
  assert.ok(size > price!.download! && size < total - PADDING / 2, `${size} bytes kept of ${total}`);

  hub.seen.length = 0;
  ask = await open(watched, site.url, variables);
  const again = (await ask("price", QUESTION)).answer!.download!;
  assert.ok(again < price!.download! / 5, `${again} bytes`); // rows of tables, nobody knows which before it is done
  assert.deepEqual(rowsOf((await ask("attribute", QUESTION)).answer!.text!), expected);
  assert.deepEqual(hub.seen, []);
  await hub[Symbol.asyncDispose]();
  ask = await open(watched, site.url, variables);
  assert.deepEqual(rowsOf((await ask("attribute", QUESTION)).answer!.text!), expected);
  await ask("empty");
  assert.equal((await ask("size")).answer, 0);
  ask = await open(watched, site.url, variables);
  assert.match((await ask("attribute", QUESTION)).error!, /^Cannot read .*no connection to 127\.0\.0\.1/);
});

browserTest(
  "a private model in a page: the token goes to the hub alone; wrong bytes and a cancelled download",
  async (browser) => {
    const expected = await expectedRows();
    await using site = await serveHubPage();
    const { hub, broken } = await startHub();
    await using _ = hub;
    hub.token = "hf_secret";
    const watched = await browser.open({ allowed: [site.host, ...hub.hosts] });
    let ask = await open(watched, site.url, { HF_ENDPOINT: hub.endpoint });
    assert.match(
      (await ask("attribute", QUESTION)).error!,
      /there is no such repository; check its name, if it is private/,
    );
    const right = hub.files.get("tokenizer.json")!;
    const bytes = right.bytes.slice();
    bytes[100] ^= 1;
    hub.files.set("tokenizer.json", { bytes, etag: etagOf(right) });
    ask = await open(watched, site.url, { HF_ENDPOINT: hub.endpoint, HF_TOKEN: "hf_secret" });
    assert.match(
      (await ask("attribute", QUESTION)).error!,
      /^Cannot trust tokenizer.json of owner\/tiny-llama: the whole/,
    );
    hub.files.set("tokenizer.json", right);
    const { fault } = hub;
    hub.fault = async (request, seen) => {
      if (seen.at === "storage" && seen.range !== "bytes=0-0") await new Promise((resolve) => setTimeout(resolve, 300));
      return await fault(request, seen);
    };
    ask = await open(watched, site.url, { HF_ENDPOINT: hub.endpoint, HF_TOKEN: "hf_secret" });
    assert.match((await ask("attribute", QUESTION, 1)).error!, /cancelled|Nobody waits/);
    hub.fault = fault;
    assert.deepEqual(rowsOf((await ask("attribute", QUESTION)).answer!.text!), expected);
    assert.deepEqual(broken, []);
    assert.ok(hub.seen.every(({ at, authorization }) => at === "hub" || authorization === null));
  },
);

browserTest("the user's own files in a page: the command line's rows without a network", async (browser) => {
  const expected = await expectedRows();
  await using site = await serveHubPage();
  const watched = await browser.open({ allowed: [site.host] });
  const ask = await open(watched, site.url, { HF_ENDPOINT: "http://127.0.0.1:1" });
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${directory}/mine/saes`, { recursive: true });
    for (const [from, to] of [[MODEL, "llama"], [SAE, "saes/pre1"]]) {
      await Deno.mkdir(`${directory}/mine/${to}`);
      for await (const { name, isFile } of Deno.readDir(new URL(from, DATA))) {
        if (isFile) await Deno.copyFile(new URL(`${from}/${name}`, DATA), `${directory}/mine/${to}/${name}`);
      }
    }
    await Deno.writeTextFile(`${directory}/mine/notes.txt`, "mine");
    await watched.page.locator("input").setInputFiles(`${directory}/mine`);
    const { answer } = await ask("localFiles", {});
    assert.deepEqual(answer, {
      models: [{ name: "chosen://mine/llama", description: "llama, from your files", local: true }],
      saes: [{ name: "chosen://mine/saes/pre1", description: "from your files", local: true }],
      ignored: ["notes.txt: it is no part of a model or an SAE"],
    });
    const question = { ...QUESTION, model: "chosen://mine/llama", saes: ["chosen://mine/saes/pre1"] };
    const asked = watched.requests.length;
    assert.deepEqual(rowsOf((await ask("attribute", question)).answer!.text!), expected);
    const elsewhere = watched.requests.slice(asked).filter((address) => !address.startsWith(site.url));
    assert.deepEqual(elsewhere, []);
    const other = await ask("attribute", { ...question, model: "chosen://other" });
    assert.match(other.error!, /is a path or URL: choose its files on this page/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
