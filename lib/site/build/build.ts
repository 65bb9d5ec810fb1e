/**
 * Writes the static site: `deno task site`.
 *
 * @module
 */
import { BUNDLED, type BundledModel } from "../../bundled.ts";
import { stop } from "../../deps/esbuild.ts";
import { makeHash } from "../../platform/hash.ts";
import { dirname } from "../../platform/path.ts";
import { pack } from "../../weights/files/packed.ts";
import { fromFileUrl } from "../../weights/files/places.ts";
import { bundle as minified } from "../../web/page/build.ts";
import { STYLE } from "../../web/page/built.ts";
import { bundle, digest } from "./bundle.ts";
import { filesBelow } from "./files_below.ts";

const ROOT = new URL("../../../", import.meta.url);
const place = (path: string): string => fromFileUrl(new URL(path, ROOT));

/**
 * Where the site is written: `.site` beside the program.
 *
 * @throws {Error} if the program was not started from files
 */
export function siteDirectory(): string {
  if (ROOT.protocol === "file:") return place(".site");
  throw new Error(`The site is built from the program's files, and this one comes from ${ROOT.origin}: clone it first`);
}

/** What the page begins with, the Worker that answers it, and what stands between them and the host. */
const [PAGE, WORKER, GUARD] = ["lib/site/page/main.ts", "lib/web/worker.ts", "lib/site/page/service_worker.ts"];
/** The element that other pages show a result with; it knows the site by its own place. */
const ELEMENT = "lib/web/page/share/element.ts";

/** Names what is bundled with the program. */
const INDEX = "models/bundled/index.json";

/**
 * Writes the site into a directory, which must be empty or a site.
 *
 * @returns the sources of its scripts, from the repository's root
 */
export async function buildSite(directory: string): Promise<readonly string[]> {
  await Deno.remove(directory, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(directory, { recursive: true });
  try {
    const modules = `${directory}/modules`;
    const index = siteIndex();
    const instead = { [INDEX]: JSON.stringify(index) };
    const page = await bundle({ entries: [PAGE, WORKER], directory: modules, platform: "browser", instead });
    const style = `modules/page-${await digest(STYLE)}.css`;
    await Deno.writeTextFile(`${directory}/${style}`, STYLE);
    await Deno.writeTextFile(
      `${directory}/index.html`,
      await indexHtml({ script: `modules/${page.files.get(PAGE)}`, style }),
    );
    await Deno.copyFile(place("lib/web/page/icon.svg"), `${directory}/icon.svg`);
    await Deno.writeTextFile(`${directory}/element.js`, await minified(new URL(ELEMENT, ROOT), "iife"));
    const bundled = Object.values(index).flatMap((model) => [model, ...Object.values(model.saes)]);
    const data = bundled.flatMap((one) => filesBelow(place(""), `models/bundled/${one.directory}/`));
    for (const path of data) await write(directory, ...await pack(path, await readData(path)));
    for (const path of filesBelow(place(""), "models/registry/").filter((path) => /\.json(?:\.gz)?$/.test(path))) {
      await write(directory, path, await readData(path));
    }
    const files = filesBelow(directory).sort();
    const values = { SITE_FILES: files, SITE_VERSION: await versionOf(directory, files) };
    const guard = await bundle({ entries: [GUARD], directory: modules, platform: "browser", values });
    // Its name is what browsers know it by, and its place is what it may see.
    await Deno.rename(`${modules}/${guard.files.get(GUARD)}`, `${directory}/service_worker.js`);
    return [...new Set([...page.sources, ...guard.sources])];
  } finally {
    await stop();
  }
}

/** What is bundled with the site, its files packed: of the SAEs those that models begin with, which is what fits. */
function siteIndex(): Record<string, BundledModel> {
  return Object.fromEntries(
    Object.entries(BUNDLED).map(([name, model]) => {
      const { default_sae, saes } = model;
      const sae = { ...saes[default_sae], packed: true };
      return [name, { ...model, packed: true, saes: { [default_sae]: sae } }];
    }),
  );
}

/** A file's bytes; of JSON without the space between its values. */
async function readData(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await Deno.readFile(place(path));
  if (!path.endsWith(".json")) return bytes;
  return new TextEncoder().encode(JSON.stringify(JSON.parse(new TextDecoder().decode(bytes))));
}

async function write(directory: string, path: string, bytes: Uint8Array): Promise<void> {
  const file = `${directory}/${path}`;
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeFile(file, bytes);
}

/** Of files, by names and contents. */
async function versionOf(directory: string, files: readonly string[]): Promise<string> {
  const hash = await makeHash("sha256");
  for (const file of files) {
    hash.update(file);
    hash.update(await Deno.readFile(`${directory}/${file}`));
  }
  return hash.digest("hex").slice(0, 8);
}

/** The page of `serve` with the site's script and style, and without the server's API. */
async function indexHtml({ script, style }: { script: string; style: string }): Promise<string> {
  const changes: readonly [RegExp, string][] = [
    [/src="page\.js"/, `src="${script}"`],
    [/href="page\.css"/, `href="${style}"`],
    [/\n *<a class="api"[^\n]*/, ""],
  ];
  return changes.reduce((html, [pattern, text]) => {
    if (!pattern.test(html)) throw new Error(`lib/web/page/index.html has no ${pattern}`);
    return html.replace(pattern, text);
  }, await Deno.readTextFile(place("lib/web/page/index.html")));
}

if (import.meta.main) await buildSite(siteDirectory());
