/**
 * Addresses that the sources compute from their own place, `new URL("…", import.meta.url)`, as a bundle needs them.
 *
 * @module
 */

/** Where things are for a bundle. */
export interface Places {
  /** The module's path from the repository's root, with `/`. */
  readonly module: string;
  /** The file, beside the bundle's others, that a Worker's module becomes. */
  worker(module: string): string;
}

/** `import(new URL("a.ts", import.meta.url).href)`, the way in which the sources import what a run may not need. */
const IMPORT = /\bimport\(\s*new URL\(\s*"(?:\.\/)?([^"]+\.ts)"\s*,\s*import\.meta\.url\s*\)\.href\s*,?\s*\)/g;
const ADDRESS = /\bnew URL\(\s*"([^"]+)"\s*,\s*import\.meta\.url\s*\)/g;

/**
 * A module's text with its addresses rewritten: imports become literal, which a bundler follows; a Worker's module is
 * bundled on its own; anything else is a file or directory that lies where it does in the repository, one level above the
 * bundle's modules.
 */
export function rewriteAddresses(text: string, { module, worker }: Places): string {
  return text.replace(IMPORT, (_, file) => `import("${file.startsWith("../") ? "" : "./"}${file}")`).replace(
    ADDRESS,
    (_, address) => {
      const path = new URL(address, `file:///${module}`).pathname.slice(1);
      const found = path.endsWith(".ts") ? `./${worker(path)}` : `../${path}`;
      return `new URL(${JSON.stringify(found)}, import.meta.url)`;
    },
  );
}
