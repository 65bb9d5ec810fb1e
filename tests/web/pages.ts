/** Pages of servers of their own in a real browser, and what users do on them. */
import assert from "node:assert/strict";
import { axeViolations, overflows, type PageOptions, type TestBrowser, type Watched } from "../browser/browser.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import type { PageServer, ServeOptions } from "../../lib/web/serve.ts";
import { startServer } from "./ask.ts";

/** The checkout. */
export const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** An open page, and what a user does on it. */
export interface Opened extends Watched, AsyncDisposable {
  readonly server: PageServer;
  readonly host: string;
  /** Waits for a run that has ended, whose title is this. */
  done(title: string): Promise<void>;
  /** Waits for the answer to what was chosen last. */
  answered(): Promise<void>;
  /** What was requested from elsewhere. */
  elsewhere(): string[];
}

/** The page of a server of its own, and what a user does on it. */
export async function openPage(
  browser: TestBrowser,
  options: PageOptions = {},
  serve: ServeOptions = {},
  address = "",
): Promise<Opened> {
  const server = await startServer(serve);
  const host = `127.0.0.1:${server.port}`;
  const watched = await browser.open({ ...options, allowed: [host] });
  const { page } = watched;
  await page.goto(`http://${host}/${address}`);
  return {
    ...watched,
    server,
    host,
    async done(title: string): Promise<void> {
      await page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
      await page.locator("#status", { hasText: /^Done/ }).waitFor();
    },
    async answered(): Promise<void> {
      await page.locator("main:not([data-stale])").waitFor();
      await page.locator("#status", { hasText: /^Done/ }).waitFor();
    },
    elsewhere: (): string[] => watched.requests.filter((url) => new URL(url).host !== host),
    async [Symbol.asyncDispose](): Promise<void> {
      await watched.context.close();
      await server.close();
    },
  };
}

/** Nothing went wrong but what is expected, nothing was fetched from elsewhere, everybody can use it. */
export async function checkPage(opened: Opened, expected?: RegExp): Promise<void> {
  assert.deepEqual(await axeViolations(opened), []);
  assert.equal(await overflows(opened), false);
  assert.deepEqual(opened.errors.filter((text) => !expected?.test(text)), []);
  assert.deepEqual(opened.elsewhere(), []);
}

/** A file that a button downloads. */
export async function downloadBytes({ page }: Opened, name: string): Promise<Uint8Array> {
  const button = page.getByRole("button", { name, exact: true });
  const [file] = await Promise.all([page.waitForEvent("download"), button.click()]);
  return await Deno.readFile(await file.path());
}

/** The text of one. */
export async function download(opened: Opened, name: string): Promise<string> {
  return new TextDecoder().decode(await downloadBytes(opened, name));
}

/** Runs the command that the page shows, for rows with these columns. */
export async function runShown(command: string, columns: string, format = "csv"): Promise<Uint8Array> {
  const line = `${
    command.replace("deno run", '"$DENO" run')
  } --threads 1 --quiet --format ${format} --columns ${columns}`;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", line],
    cwd: ROOT,
    env: { DENO: Deno.execPath() },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

/** The files are those of the command that the page shows, which says all of these. */
export async function checkFiles(opened: Opened, ...flags: readonly string[]): Promise<string> {
  const csv = await download(opened, "Download CSV");
  const { command } = JSON.parse(await download(opened, "Download JSON"));
  for (const flag of flags) assert.ok(command.includes(flag), `${flag} is not in ${command}`);
  const [header] = csv.split("\n", 1);
  assert.ok(csv.split("\n").length > 5, csv);
  assert.equal(csv, new TextDecoder().decode(await runShown(command, header)));
  return header;
}
