/**
 * Packages of npm where Deno keeps them, as a bundler looks for them: in a directory `node_modules`.
 *
 * @module
 */
import { fromFileUrl } from "../../weights/files/places.ts";
import { dirname } from "../../platform/path.ts";

/** What `deno info --json` says of a package. */
interface PackageInfo {
  readonly name: string;
  readonly localPath: string;
}

/** `npm:name@version/entry`. */
const SPECIFIER = /^npm:((?:@[^/@]+\/)?[^/@]+)@[^/]+(\/.*)?$/;

/** The name that npm knows an entry of a package by: `npm:a@1.2.3/b` is `a/b`. */
export function bareName(specifier: string): string {
  const [, name, entry = ""] = SPECIFIER.exec(specifier) ?? [];
  if (name === undefined) throw new TypeError(`${specifier} is no npm:name@version`);
  return name + entry;
}

/**
 * Puts links to the packages that modules import, and to those that these need, below `directory`; what is missing is
 * downloaded. Versions are those of deno.lock.
 */
export async function linkPackages(modules: readonly URL[], directory: string): Promise<void> {
  await deno("cache", ...modules.map((module) => fromFileUrl(module)));
  for (const module of modules) {
    const { npmPackages = {} } = JSON.parse(await deno("info", "--json", fromFileUrl(module)));
    for (const { name, localPath } of Object.values(npmPackages) as PackageInfo[]) {
      const link = `${directory}/${name}`;
      await Deno.mkdir(dirname(link), { recursive: true });
      await Deno.symlink(localPath, link, { type: "dir" }).catch((error) => {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      });
    }
  }
}

async function deno(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: [...args] }).output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(`deno ${args[0]} fails: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout);
}
