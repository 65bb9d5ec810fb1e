/**
 * Whether, and where, onnxruntime-node is installed. It is never a dependency: its binaries for all systems are large.
 *
 * @module
 */
import { createRequire } from "node:module";

/**
 * Where npm put onnxruntime-node: in `node_modules` of the working directory or one above it, beside or above this
 * program, or in a directory that `NODE_PATH` names.
 *
 * @param nodePath directories as `NODE_PATH` has them, which it is by default
 * @returns the path of its main file; undefined if it is not installed
 */
export function findNative(nodePath: string = Deno.env.get("NODE_PATH") ?? ""): string | undefined {
  const path = nodePath.split(Deno.build.os === "windows" ? ";" : ":").filter(Boolean);
  const here = import.meta.url.startsWith("file:") ? [import.meta.url] : [];
  const tries: readonly [string, string][] = [
    ...[`${Deno.cwd()}/`, ...here].map((from): [string, string] => [from, "onnxruntime-node"]),
    ...path.map((directory): [string, string] => [`${Deno.cwd()}/`, `${directory}/onnxruntime-node`]),
  ];
  for (const [from, name] of tries) {
    try {
      return createRequire(from).resolve(name);
    } catch { // not there
    }
  }
  return undefined;
}
