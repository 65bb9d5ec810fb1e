/** The static site in real browsers: what it computes is what the command line computes, and nobody else is asked. */
import assert from "node:assert/strict";
import { stop } from "../../lib/deps/esbuild.ts";
import { encodeKernels } from "../../lib/runtime/kernels/module.ts";
import { buildSite } from "../../lib/site/build/build.ts";
import { serveStatic } from "../../lib/site/build/serve.ts";
import { PROMPT, runCli } from "../cli/run_cli.ts";
import { compareRows, type Row } from "../site/rows.ts";
import { axeViolations, browserTest, overflows, type TestBrowser } from "./browser.ts";
import { firefoxTest } from "./firefox.ts";

/** A path below a host, as many static hosts give. */
const BASE = "/someone/sae-attribution/";
const DATA = new URL("../data/", import.meta.url);
const QUESTION = "Why ·golf and not ·tennis?";
const PATIENCE_MS = 90_000;

const SITE = await Deno.makeTempDir();
Deno.test.afterAll(() => Deno.remove(SITE, { recursive: true }));
let built: Promise<unknown> | undefined;

/** The site on a host of its own. */
async function host() {
  await (built ??= buildSite(SITE).finally(stop));
  const asked: string[] = [];
  const server = await serveStatic(SITE, { base: BASE, onRequest: (path) => asked.push(path) });
  return { server, asked, origin: `http://127.0.0.1:${server.port}`, url: `http://127.0.0.1:${server.port}${BASE}` };
}

/** What all drivers of browsers can. */
interface Evaluates {
  evaluate(code: string): Promise<unknown>;
}

/** Waits until an expression holds on a page, which may be loaded once more meanwhile. */
async function until(page: Evaluates, expression: string): Promise<void> {
  const start = performance.now();
  while (await page.evaluate(expression).catch(() => false) !== true) {
    if (performance.now() - start > PATIENCE_MS) {
      const said = `["status", "error"].map((id) => document.getElementById(id)?.textContent).join(" | ")`;
      throw new Error(`${expression} does not come to hold; the page says: ${await page.evaluate(said)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits for the answer to a question. */
function answered(page: Evaluates, title: string): Promise<void> {
  return until(
    page,
    `document.querySelector("#view h1")?.textContent === ${JSON.stringify(title)} &&
      /^Done/.test(document.getElementById("status").textContent)`,
  );
}

/** Whether a path is that of a further thread's module. */
const isThread = (path: string): boolean => /\/thread-\w+\.js$/.test(path);

/** Whether a path is that of a script that the bundled model does not need. */
const isOfLlama = (path: string): boolean => /\/llama-\w+\.js$/.test(path);

const isIsolated = (page: Evaluates): Promise<unknown> => page.evaluate("crossOriginIsolated");

/** The file that a button offers. */
async function offered(page: Evaluates, button: string): Promise<string> {
  return await page.evaluate(`new Promise((resolve) => {
    const { createObjectURL } = URL;
    URL.createObjectURL = (blob) => {
      URL.createObjectURL = createObjectURL;
      blob.text().then(resolve);
      return createObjectURL.call(URL, blob);
    };
    [...document.querySelectorAll("button")].find(({ textContent }) => textContent === ${
    JSON.stringify(button)
  }).click();
  })`) as string;
}

/** Rows as CSV has them, without what is not a number. */
function rowsOf(csv: string): Row[] {
  const [header, ...lines] = csv.trim().split("\n").map((line) => line.split(","));
  const place = (name: string): number => header.indexOf(name);
  const [position, feature, attribution] = ["position", "feature", "attribution"].map(place);
  return lines.map((cells) => ({
    position: Number(cells[position]),
    feature: Number(cells[feature]),
    attribution: Number(cells[attribution]),
  }));
}

/** Compares the page's rows with the command line's. */
async function checkRows(
  page: Evaluates,
  answers: readonly [positive: string, negative: string] | undefined,
  prompt: string,
  more: readonly string[] = [],
): Promise<void> {
  const kernels = encodeKernels({ initial: 0, maximum: 1, shared: false }, true);
  const isSame = await page.evaluate(`WebAssembly.validate(Uint8Array.of(${kernels}))`) as boolean;
  const asked = answers === undefined ? [] : ["--pos-token", answers[0], "--neg-token", answers[1]];
  const args = ["attribute", prompt, ...asked, ...more, "--device", "wasm", "--threads", "1"];
  const { stdout } = await runCli([...args, "--quiet", "--format", "csv"]);
  const [found, expected] = [rowsOf(await offered(page, "Download CSV")), rowsOf(stdout)];
  assert.ok(expected.length > 50);
  compareRows(found, expected, isSame);
}

async function openSite(browser: TestBrowser, serviceWorkers: boolean) {
  const { server, asked, origin, url } = await host();
  const opened = await browser.open({ allowed: [new URL(origin).host], serviceWorkers });
  const requests: string[] = [];
  opened.context.on("request", (request) => requests.push(request.url()));
  await opened.page.goto(url);
  return {
    ...opened,
    server,
    asked,
    url,
    /** What was requested from elsewhere, by pages, their Workers and service workers. */
    elsewhere: () => requests.filter((address) => !address.startsWith(url) && !/^(?:blob|data):/.test(address)),
    async [Symbol.asyncDispose](): Promise<void> {
      await opened.context.close();
      await server.close();
    },
  };
}

browserTest("the site in Chromium, isolated by its service worker", async (browser, t) => {
  await using opened = await openSite(browser, true);
  const { page } = opened;
  await t.step("explains the bundled example without a click", async () => {
    await until(page, "crossOriginIsolated");
    await answered(page, QUESTION);
  });
  await t.step("gives the command line's rows", () => checkRows(page, [" golf", " tennis"], PROMPT));
  await t.step("removes a feature as the command line does, and finds its set", async () => {
    await page.locator("#view button.feature").first().click();
    const card = page.getByRole("dialog");
    const feature = /Feature (\d+)/.exec(await card.locator(".eyebrow").innerText())![1];
    await card.getByRole("button", { name: "Remove it" }).click();
    const shown = Number(await card.locator(".effect").getAttribute("title", { timeout: PATIENCE_MS }));
    const question = [PROMPT, "--pos-token", " golf", "--neg-token", " tennis", "--threads", "1", "--quiet"];
    const removed = ["--table", "features", "--features", feature, "--format", "json"];
    const [{ effect }] = JSON.parse((await runCli(["ablate", ...question, ...removed])).stdout);
    assert.ok(Math.abs(shown + effect) < 1e-4 * Math.abs(effect) + 1e-5, `${shown} is not -${effect}`);
    await card.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "Find the smallest set" }).click();
    const figures = await page.locator(".set .figures").innerText({ timeout: PATIENCE_MS });
    const summary = await Deno.makeTempFile();
    await runCli(["select", ...question, "--summary", summary]);
    const [{ features, kept, left }] = JSON.parse(await Deno.readTextFile(summary));
    await Deno.remove(summary);
    const [, size, keeps, leaves] = /^(\d+) features? keeps? ([\d.]+) % .* ([\d.]+) % is left\.$/.exec(figures)!;
    assert.equal(Number(size), features.length);
    assert.ok(Math.abs(Number(keeps) - 100 * kept) < 0.1 && Math.abs(Number(leaves) - 100 * left) < 0.1, figures);
  });
  await t.step("has threads", () => {
    const [thread, unused] = [isThread, isOfLlama].map((is) => opened.asked.findIndex(is));
    assert.ok(thread >= 0 && (unused < 0 || thread < unused), "before scripts that are fetched to be kept");
  });
  await t.step("answers what is typed, by the keyboard alone", async () => {
    await page.getByLabel("Prompt", { exact: true }).focus();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type(" The capital of France is");
    await page.keyboard.press("ControlOrMeta+Enter");
    await answered(page, "Why ·Paris and not ·Brussels?");
    await checkRows(page, [" Paris", " Brussels"], " The capital of France is");
  });
  await t.step("has an address that holds the question, and opens there", async () => {
    await page.reload();
    await answered(page, "Why ·Paris and not ·Brussels?");
  });
  await t.step("asks nobody but its host, below its path, for files that are there", () => {
    assert.deepEqual(opened.elsewhere(), []);
    assert.ok(opened.asked.length > 20);
    assert.deepEqual(opened.asked.filter((path) => !path.startsWith(BASE)), []);
    assert.deepEqual(opened.asked.filter((path) => path.includes("/registry/")), []);
  });
  await t.step("can be used by everybody", async () => {
    assert.deepEqual(await axeViolations(opened), []);
    assert.equal(await overflows(opened), false);
  });
  await t.step("opens without its host the second time", async () => {
    await opened.server.close();
    await page.goto("about:blank");
    await page.goto(opened.url);
    await answered(page, QUESTION);
    assert.equal(await isIsolated(page), true);
  });
});

/** A site as a later build would be: its page names another script. */
async function laterSite(): Promise<string> {
  const directory = await Deno.makeTempDir();
  const copy = async (path: string): Promise<void> => {
    await Deno.mkdir(`${directory}${path}`, { recursive: true });
    for await (const { name, isDirectory } of Deno.readDir(SITE + path)) {
      if (isDirectory) await copy(`${path}/${name}`);
      else await Deno.copyFile(`${SITE}${path}/${name}`, `${directory}${path}/${name}`);
    }
  };
  await copy("");
  const page = await Deno.readTextFile(`${directory}/index.html`);
  const [script] = /modules\/main-\w+\.js/.exec(page)!;
  await Deno.rename(`${directory}/${script}`, `${directory}/modules/main-later.js`);
  await Deno.writeTextFile(`${directory}/index.html`, page.replace(script, "modules/main-later.js"));
  return directory;
}

browserTest("a directory that is dropped on the site, without a network: the command line's rows", async (browser) => {
  await using opened = await openSite(browser, true);
  const { page, context } = opened;
  await until(page, "crossOriginIsolated");
  await answered(page, QUESTION);
  const kept = `caches.keys().then(async ([name]) => (await (await caches.open(name)).keys()).map(({ url }) => url))`;
  const scripts = [...Deno.readDirSync(`${SITE}/modules`)].filter(({ name }) => name.endsWith(".js")).length;
  await until(page, `${kept}.then((urls) => urls.filter((url) => /modules.*js$/.test(url)).length === ${scripts})`);
  await opened.server.close();
  await context.setOffline(true);
  const directory = await Deno.makeTempDir();
  try {
    for (const [from, to] of [["models/llama", "llama"], ["saes/llama-std-pre1", "saes/pre1"]]) {
      await Deno.mkdir(`${directory}/mine/${to}`, { recursive: true });
      for await (const { name, isFile } of Deno.readDir(new URL(from, DATA))) {
        if (isFile) await Deno.copyFile(new URL(`${from}/${name}`, DATA), `${directory}/mine/${to}/${name}`);
      }
    }
    const protocol = await context.newCDPSession(page);
    const data = { items: [], files: [`${directory}/mine`], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"] as const) {
      await protocol.send("Input.dispatchDragEvent", { type, x: 200, y: 400, data });
    }
    const said = "Opened chosen://mine/llama, chosen://mine/saes/pre1.";
    await until(page, `document.getElementById("files-note").textContent === ${JSON.stringify(said)}`);
    await page.locator("#run").click();
    await until(page, `/^Done/.test(document.getElementById("status").textContent)`);
    const [model, sae] = [`${directory}/mine/llama`, `${directory}/mine/saes/pre1`];
    await checkRows(page, undefined, PROMPT, ["--model", model, "--sae", sae]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

browserTest("a site in the place of the one that a browser has kept", async (browser) => {
  await using opened = await openSite(browser, true);
  const { page, server, url } = opened;
  await until(page, "crossOriginIsolated");
  await answered(page, QUESTION);
  await server.close();
  const directory = await laterSite();
  const asked: string[] = [];
  const later = await serveStatic(directory, { base: BASE, port: server.port, onRequest: (path) => asked.push(path) });
  try {
    await page.goto("about:blank");
    await page.goto(url);
    await answered(page, QUESTION);
    const isOfModel = (path: string): boolean => path.includes("/models/bundled/");
    assert.ok(asked.some((path) => path.endsWith("/main-later.js")) && asked.some(isOfModel), asked.join());
    assert.equal(await isIsolated(page), true);
  } finally {
    await later.close();
    await Deno.remove(directory, { recursive: true });
  }
});

browserTest("the site's element in a page of another host", async (browser) => {
  const { server, origin, url } = await host();
  const html = `<!doctype html><script src="${url}element.js"></script>
    <sae-attribution prompt=" The capital of France is" pos=" Paris" neg=" Brussels"></sae-attribution>`;
  const headers = { "content-type": "text/html" };
  const other = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response(html, { headers }),
  );
  const around = `127.0.0.1:${other.addr.port}`;
  try {
    const { page, errors } = await browser.open({ allowed: [new URL(origin).host, around] });
    await page.goto(`http://${around}/`);
    await until(page, `document.querySelector("sae-attribution iframe") !== null`);
    const frame = page.frames()[1];
    await answered(frame, "Why ·Paris and not ·Brussels?");
    assert.equal(await frame.locator("#ask .panel:visible").count(), 0);
    const height = await frame.evaluate("Math.ceil(document.body.getBoundingClientRect().height)");
    await until(page, `document.querySelector("iframe").style.height === "${height}px"`);
    assert.deepEqual(errors.filter((text) => !/404/.test(text)), []);
  } finally {
    await other.shutdown();
    await server.close();
  }
});

browserTest("the site in Chromium without a service worker: one thread on memory of its own", async (browser) => {
  await using opened = await openSite(browser, false);
  await answered(opened.page, QUESTION);
  assert.equal(await isIsolated(opened.page), false);
  await checkRows(opened.page, [" golf", " tennis"], PROMPT);
  assert.deepEqual(opened.asked.filter(isThread), []);
  assert.deepEqual(opened.elsewhere(), []);
  assert.deepEqual(opened.errors.filter((text) => !/404/.test(text)), []);
});

firefoxTest("the site in Firefox, isolated by its service worker", async (browser) => {
  const { server, url } = await host();
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(url);
    await until(page, "crossOriginIsolated");
    await answered(page, QUESTION);
    await checkRows(page, [" golf", " tennis"], PROMPT);
    assert.deepEqual(errors, []);
  } finally {
    await server.close();
  }
});
