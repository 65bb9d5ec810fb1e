/**
 * A stock Firefox for tests, driven by WebDriver BiDi through puppeteer-core. Where there is none, tests are skipped with a
 * line that says so.
 */
import type { FirefoxBrowser } from "./deps.ts";

const PLACES = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];

/** The browser's program; `SAE_ATTRIBUTION_FIREFOX` says where it is, if not in one of the usual places. */
export function firefoxPath(): string | undefined {
  const said = Deno.env.get("SAE_ATTRIBUTION_FIREFOX");
  return (said === undefined ? PLACES : [said]).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Registers a test that needs Firefox, or one that says why it is skipped. */
export function firefoxTest(name: string, test: (browser: FirefoxBrowser) => Promise<void>): void {
  const executablePath = firefoxPath();
  if (executablePath === undefined) {
    Deno.test(name, () => console.log("skipped: there is no Firefox here (apt-get install firefox-esr)"));
    return;
  }
  Deno.test({
    name,
    // puppeteer keeps its connection's timers until the browser is gone.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const { puppeteer } = await import("./deps.ts");
      // A busy machine may take long to start it.
      const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: 120_000 });
      try {
        await test(browser);
      } finally {
        await browser.close();
      }
    },
  });
}
