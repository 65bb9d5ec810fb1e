/**
 * What the program runs on, and what it was told there.
 *
 * @module
 */

/** The operating system: `linux`, `darwin`, `windows` …; `browser` where a program does not see it. */
export const OS: string = typeof Deno === "undefined" ? "browser" : Deno.build.os;

/** Whether this is a page of a browser, or a Worker of one. */
export const IS_PAGE: boolean = typeof Deno === "undefined" && !("process" in globalThis);

/** The runtime's name and version. */
export const RUNTIME_VERSION: readonly [name: string, version: string] = typeof Deno === "undefined"
  ? ["browser", globalThis.navigator?.userAgent ?? ""]
  : ["deno", Deno.version.deno];

/** What a program is told where there is no environment, by name. */
let told: Readonly<Record<string, string>> = {};

/** What {@linkcode readVariable} finds from now on where there is no environment: a page tells it to its Worker. */
export function setVariables(variables: Readonly<Record<string, string>>): void {
  told = variables;
}

/** An environment variable; undefined where there is none, or none may be read. */
export function readVariable(name: string): string | undefined {
  if (typeof Deno === "undefined" && Object.hasOwn(told, name)) return told[name];
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
