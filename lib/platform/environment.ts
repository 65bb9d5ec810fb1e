/**
 * What the program runs on, and what it was told there.
 *
 * @module
 */

/** The operating system: `linux`, `darwin`, `windows` …; `browser` where a program does not see it. */
export const OS: string = typeof Deno === "undefined" ? "browser" : Deno.build.os;

/** The runtime's name and version. */
export const RUNTIME_VERSION: readonly [name: string, version: string] = typeof Deno === "undefined"
  ? ["browser", globalThis.navigator?.userAgent ?? ""]
  : ["deno", Deno.version.deno];

/** An environment variable; undefined where there is none, or none may be read. */
export function readVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined; // --deny-env, or no environment at all
  }
}

/** The user that runs it; null where users have no numbers. */
export function userId(): number | null {
  return typeof Deno === "undefined" ? null : Deno.uid();
}

/** Where relative paths begin. */
export function workingDirectory(): string {
  return Deno.cwd();
}
