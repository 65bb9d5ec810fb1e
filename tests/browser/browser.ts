/**
 * A real browser for tests: Debian's Chromium through playwright-core. Where there is no Chromium, tests are skipped
 * with a line that says so.
 */
import assert from "node:assert/strict";
import type { Browser, BrowserContext, Page } from "./deps.ts";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The browser's program; `SAE_ATTRIBUTION_CHROMIUM` says where it is, if not in one of the usual places. */
export function chromiumPath(): string | undefined {
  const said = Deno.env.get("SAE_ATTRIBUTION_CHROMIUM");
  return (said === undefined ? PLACES : [said]).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** A page and what happened on it. */
export interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Console errors and exceptions that nobody caught. */
  readonly errors: readonly string[];
  /** Requests over the network, in order; those to `allowed` hosts went through, the others were stopped. */
  readonly requests: readonly string[];
}

/** How a page is opened. */
export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** Pixels per CSS pixel. */
  readonly scale?: number;
  /** Hosts, with their port, whose requests go through. Default: none. */
  readonly allowed?: readonly string[];
  /** Whether pages may install service workers. Default: yes. */
  readonly serviceWorkers?: boolean;
}

/** A browser that is closed with the block that it was made in. */
export interface TestBrowser extends AsyncDisposable {
  readonly browser: Browser;
  /** Opens an empty page whose requests are watched. */
  open(options?: PageOptions): Promise<Watched>;
}

/** Starts the browser. */
export async function startBrowser(executablePath: string | undefined = chromiumPath()): Promise<TestBrowser> {
  assert.ok(executablePath !== undefined, "there is no Chromium: ask chromiumPath() first");
  const { chromium } = await import("./deps.ts");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  return {
    browser,
    open: (options = {}) => openPage(browser, options),
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function openPage(browser: Browser, options: PageOptions): Promise<Watched> {
  const { width = 1280, height = 900, dark = false, scale = 1, allowed = [], serviceWorkers = true } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    deviceScaleFactor: scale,
    acceptDownloads: true,
    serviceWorkers: serviceWorkers ? "allow" : "block",
  });
  const requests: string[] = [];
  await context.route(/^(https?|wss?):/, async (route) => {
    const url = route.request().url();
    requests.push(url);
    if (allowed.includes(new URL(url).host)) await route.continue();
    else await route.abort();
  });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  return { page, context, errors, requests };
}

/** Violations of serious or critical impact that axe-core finds, one line each. */
export async function axeViolations({ page }: Watched): Promise<string[]> {
  const { axe } = await import("./deps.ts");
  // What comes in half transparent has less contrast than it will have.
  await page.evaluate(async () => {
    const { document } = globalThis as unknown as { document: { getAnimations(): { finished: Promise<unknown> }[] } };
    await Promise.all(document.getAnimations().map(({ finished }) => finished));
  });
  // Evaluated over the debugging protocol, which a page's Content-Security-Policy does not concern.
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<AxeResults> } };
    return await axe.run();
  });
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ html }) => html).join(" | ")}`);
}

interface AxeResults {
  readonly violations: readonly { id: string; impact: string; help: string; nodes: readonly { html: string }[] }[];
}

/** Whether the page is wider than its window. */
export function overflows({ page }: Watched): Promise<boolean> {
  return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth");
}

/** Registers a test that needs the browser, or one that says why it is skipped. */
export function browserTest(name: string, test: (browser: TestBrowser, t: Deno.TestContext) => Promise<void>): void {
  if (chromiumPath() === undefined) {
    Deno.test(name, () => console.log("skipped: there is no Chromium here (apt-get install chromium)"));
    return;
  }
  Deno.test({
    name,
    // playwright keeps its connection's timers until the browser is gone.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      await using browser = await startBrowser();
      await test(browser, t);
    },
  });
}
