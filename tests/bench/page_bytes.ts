/**
 * A model of GPT-2 small's size and its SAE in a real page, from a hub on another origin, by hand:
 *
 *     deno run -A tests/bench/page_bytes.ts MODEL SAE [ROWS]
 *
 * with a directory each, and a file for the rows. Prints what a question was said to cost and did cost, what a second visit and one without a
 * network cost, how long they took, and the tab's memory.
 */
import { startBrowser } from "../browser/browser.ts";
import { serveHubPage } from "../browser/hub_site.ts";
import { etagOf, type FakeFile, FakeHub } from "../weights/hub/fake_hub.ts";
import { keepPageRules } from "../weights/hub/page_rules.ts";

const QUESTION = {
  model: "owner/model",
  saes: ["hf:owner/model:sae"],
  prompt: " Tiger Woods plays the sport of",
  pos_token: [" golf"],
  neg_token: [" tennis"],
  format: "jsonl",
};

interface Told {
  readonly answer?: { readonly text?: string; readonly download?: number };
  readonly error?: string;
  readonly events?: readonly { readonly type: string; readonly at: number }[];
  readonly took: number;
}

async function repository(directories: Readonly<Record<string, string>>): Promise<Record<string, FakeFile>> {
  const files: Record<string, FakeFile> = {};
  for (const [prefix, directory] of Object.entries(directories)) {
    for await (const { name, isFile } of Deno.readDir(directory)) {
      if (!isFile) continue;
      const file = { bytes: await Deno.readFile(`${directory}/${name}`), lfs: name.endsWith(".safetensors") };
      files[prefix + name] = { ...file, etag: etagOf(file) };
    }
  }
  return files;
}

/** The most that any of the browser's tabs has had in memory, in bytes. */
async function tabMemory(): Promise<number> {
  let most = 0;
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (!command.includes("--type=renderer")) continue;
    const status = await Deno.readTextFile(`/proc/${name}/status`).catch(() => "");
    most = Math.max(most, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024);
  }
  return most;
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const sent = (hub: FakeHub): number => [...hub.sent.values()].reduce((sum, bytes) => sum + bytes, 0);

const [model, sae, output] = Deno.args;
const hub = new FakeHub(await repository({ "": model, "sae/": sae }));
hub.repo = "owner/model";
const { broken } = keepPageRules(hub);
await using site = await serveHubPage();
await using browser = await startBrowser();
const { page } = await browser.open({ allowed: [site.host, ...hub.hosts] });

async function visit(what: string): Promise<{ ask: (...args: readonly unknown[]) => Promise<Told> }> {
  await page.goto(site.url);
  await page.waitForFunction("globalThis.begin !== undefined");
  await page.evaluate(`begin(${JSON.stringify({ HF_ENDPOINT: hub.endpoint })})`);
  console.log(`\n${what}`);
  return { ask: (...args) => page.evaluate(`ask(...${JSON.stringify(args)})`) as Promise<Told> };
}

async function attribute(
  { ask }: Awaited<ReturnType<typeof visit>>,
  question: Record<string, unknown>,
): Promise<{ rows: string[]; price: number }> {
  hub.sent.clear();
  const price = (await ask("price", question)).answer!.download!;
  const opening = sent(hub);
  const { answer, error, events = [], took } = await ask("attribute", question);
  if (answer?.text === undefined) throw new Error(error);
  const running = events.find(({ type }) => type === "running")!.at;
  const all = sent(hub);
  console.log(`  said ${mb(price)} after ${mb(opening)} to open; fetched ${mb(all)} (${hub.seen.length} requests)`);
  if (price > 0) console.log(`  fetched / said = ${((all - opening) / price).toFixed(4)}`);
  console.log(`  ${(running / 1000).toFixed(1)} s to download, ${((took - running) / 1000).toFixed(2)} s to compute`);
  console.log(`  kept ${mb((await ask("size")).answer as unknown as number)}, tab ${mb(await tabMemory())} at most`);
  hub.seen.length = 0;
  return { rows: answer.text.trim().split("\n"), price };
}

const first = await attribute(await visit("first visit"), QUESTION);
if (output !== undefined) await Deno.writeTextFile(output, first.rows.join("\n"));
const second = await visit("second visit");
const again = await attribute(second, QUESTION);
await attribute(second, QUESTION);
await attribute(await visit("with all logits"), { ...QUESTION, metric: "logprob", neg_token: undefined });
await hub[Symbol.asyncDispose]();
const offline = await attribute(await visit("without a network"), QUESTION);
console.log(
  `\n${first.rows.length} rows; the same each time: ${
    [again, offline].every(({ rows }) => rows.join() === first.rows.join())
  }; rules broken: ${broken.length}`,
);
