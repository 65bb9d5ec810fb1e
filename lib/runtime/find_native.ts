/**
 * Whether, and where, onnxruntime-node is installed. It is never a dependency: its binaries for all systems are large.
 *
 * @module
 */
const PACKAGE = "onnxruntime-node";

/**
 * Where npm put onnxruntime-node: in `node_modules` of the working directory or one above it, beside or above this
 * program, or in a directory that `NODE_PATH` names.
 *
 * @param nodePath directories as `NODE_PATH` has them, which it is by default
 * @returns the package's directory; undefined if it is not installed
 */
export function findNative(nodePath: string = Deno.env.get("NODE_PATH") ?? ""): string | undefined {
  const path = nodePath.split(Deno.build.os === "windows" ? ";" : ":").filter(Boolean);
  const here = import.meta.dirname ? [import.meta.dirname] : []; // none where this was imported from the web
  const above = [Deno.cwd(), ...here].flatMap(withParents).map((directory) => `${directory}/node_modules`);
  return [...above, ...path].map((directory) => `${directory}/${PACKAGE}`).find(isPackage);
}

/** A directory and all above it, nearest first. */
function withParents(directory: string): string[] {
  const parts = directory.split(/[/\\]/).filter((part, i) => part !== "" || i === 0);
  return parts.map((_, i) => parts.slice(0, parts.length - i).join("/"));
}

// Not through node:module's resolution, which takes longer to load than all else that is looked up here.
function isPackage(directory: string): boolean {
  try {
    return Deno.statSync(`${directory}/package.json`).isFile;
  } catch { // not there, or not to be read
    return false;
  }
}
