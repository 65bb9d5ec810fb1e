/** What the tests of data sets share. */
import assert from "node:assert/strict";
import { join } from "node:path";

interface Template {
  readonly prompt: string;
  readonly pos_token: string;
  readonly neg_token: string;
}

const TEMPLATES: readonly Template[] =
  JSON.parse(Deno.readTextFileSync(new URL("../../models/bundled/prompts.json", import.meta.url))).prompts;

/** What may stand before a prompt. */
const BEGINNINGS = ["", " And", " The"];

/** Different short prompts for the bundled model: its own, with answers of one another and other beginnings. */
export function makePrompts(count: number): (Template & { id: string })[] {
  const n = TEMPLATES.length;
  assert.ok(count <= n * n * BEGINNINGS.length);
  return Array.from({ length: count }, (_, i) => {
    const { prompt, pos_token, neg_token } = TEMPLATES[i % n];
    const other = TEMPLATES[(i + Math.floor(i / n)) % n].pos_token;
    return {
      id: `p${i}`,
      prompt: BEGINNINGS[Math.floor(i / n / n)] + prompt,
      pos_token,
      neg_token: other === pos_token ? neg_token : other,
    };
  });
}

/** As JSON lines. */
export function toJsonLines(prompts: readonly unknown[]): string {
  return prompts.map((prompt) => `${JSON.stringify(prompt)}\n`).join("");
}

/** Every file below a directory by its path in it; what only one of two runs may have is left out. */
export async function readTree(directory: string, below = ""): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for await (const { name, isDirectory } of Deno.readDir(join(directory, below))) {
    const path = join(below, name);
    if (path.split("/").at(-1) === "lock") continue; // has the directory's id
    if (!isDirectory) files.set(path, await Deno.readFile(join(directory, path)));
    else for (const [inner, bytes] of await readTree(directory, path)) files.set(inner, bytes);
  }
  return new Map([...files].sort(([a], [b]) => a < b ? -1 : 1));
}

/** The same files with the same bytes. */
export function assertSameTrees(
  got: ReadonlyMap<string, Uint8Array>,
  want: ReadonlyMap<string, Uint8Array>,
): void {
  assert.deepEqual([...got.keys()], [...want.keys()]);
  for (const [path, bytes] of want) assert.ok(equalBytes(got.get(path)!, bytes), `${path} differs`);
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Numbers from 0 to 1 that are the same in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** Waits until something is so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, seconds = 300): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await isSo()) {
    if (performance.now() > end) assert.fail(`${what} did not happen within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** How many files are in a directory, which may not be there yet. */
export function countFiles(directory: string): number {
  try {
    return [...Deno.readDirSync(directory)].filter(({ name }) => !name.startsWith(".")).length;
  } catch {
    return 0;
  }
}
