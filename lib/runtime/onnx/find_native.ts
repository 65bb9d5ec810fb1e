/**
 * Whether, and where, onnxruntime-node is installed. It is never a dependency: its binaries for all systems are large.
 * It is code that runs in this process, so it is taken only from places that the user has chosen.
 *
 * @module
 */
import { OS, readVariable, userId, workingDirectory as currentDirectory } from "../../platform/environment.ts";
import { fileSystem } from "../../platform/files.ts";

const PACKAGE = "onnxruntime-node";

/** The version that the results are tested with; other patches of it are taken too. */
export const NATIVE_VERSION = "1.30.0";

/** Where to look. */
export interface NativePlaces {
  /** Directories as `NODE_PATH` has them, which it is by default. */
  readonly nodePath?: string;
  /** Also the working directory and those above it; for users who say that they want it. Default false. */
  readonly workingDirectory?: boolean;
}

/** What was found. */
export interface NativeSearch {
  /** The package's directory. */
  readonly directory?: string;
  /** Its version. */
  readonly version?: string;
  /** Why nothing that is there was taken. */
  readonly refused?: string;
}

/**
 * Looks for onnxruntime-node where npm puts packages: in `node_modules` beside or above this program, or in a directory
 * that `NODE_PATH` names. Taken is the first one of the right name and version that only its owner can change, who is
 * the user, the owner of this program or the system's administrator.
 */
export function findNative(
  { nodePath = readVariable("NODE_PATH") ?? "", workingDirectory = false }: NativePlaces = {},
): NativeSearch {
  const path = nodePath.split(OS === "windows" ? ";" : ":").filter(Boolean);
  const here = import.meta.dirname ? [import.meta.dirname] : []; // none where this was imported from the web
  const starts = workingDirectory ? [currentDirectory(), ...here] : here;
  const above = starts.flatMap(withParents).map((directory) => `${directory}/node_modules`);
  let refused: string | undefined;
  for (const modules of [...above, ...path]) {
    const directory = `${modules}/${PACKAGE}`;
    const version = versionIn(directory);
    if (version === undefined) continue;
    const fault = faultOf(modules, directory, version);
    if (fault === undefined) return { directory, version };
    refused ??= `${directory} ${fault}`;
  }
  return { refused };
}

let installed: NativeSearch | undefined;

/** What {@linkcode findNative} finds by default, looked for once. */
export function installedNative(): NativeSearch {
  return installed ??= findNative();
}

/** A directory and all above it, nearest first. */
function withParents(directory: string): string[] {
  const parts = directory.split(/[/\\]/).filter((part, i) => part !== "" || i === 0);
  return parts.map((_, i) => parts.slice(0, parts.length - i).join("/"));
}

/** What its package.json says, empty if that is not of this package; undefined where there is none. */
// Not through node:module's resolution, which takes longer to load than all else that is looked up here.
function versionIn(directory: string): string | undefined {
  try {
    const { name, version } = JSON.parse(fileSystem.readTextFileSync(`${directory}/package.json`));
    return name === PACKAGE && typeof version === "string" ? version : "";
  } catch (error) { // not there, not to be read, or not JSON
    return error instanceof SyntaxError ? "" : undefined;
  }
}

/** Why a package is not taken. */
function faultOf(modules: string, directory: string, version: string): string | undefined {
  const release = (text: string): string => text.split(".").slice(0, 2).join(".");
  if (version === "") return `is not ${PACKAGE}: its package.json says something else`;
  if (release(version) !== release(NATIVE_VERSION)) {
    return `is version ${version.slice(0, 40)}, and ${release(NATIVE_VERSION)} is what the numbers are tested with`;
  }
  const open = isOnlyOwners(modules) ? firstOpen(directory) : modules;
  return open === undefined ? undefined : `can be changed by others (${open})`;
}

/** The package has some forty files; what has far more is none that npm put there. */
const MOST_FILES = 2000;

/** The first thing in a directory, itself included, that others can change. */
function firstOpen(directory: string): string | undefined {
  const paths = [directory];
  for (let i = 0; i < paths.length; i++) {
    if (i === MOST_FILES || !isOnlyOwners(paths[i])) return paths[i];
    if (fileSystem.statSync(paths[i]).isDirectory) {
      paths.push(...[...fileSystem.readDirSync(paths[i])].map(({ name }) => `${paths[i]}/${name}`));
    }
  }
}

function isOnlyOwners(path: string): boolean {
  const { uid, gid, mode } = fileSystem.statSync(path);
  if (mode === null || uid === null) return true; // Windows
  const trusted = [0, userId(), import.meta.dirname && fileSystem.statSync(import.meta.dirname).uid];
  const groupIsOwner = gid === uid; // a group of one
  return trusted.includes(uid) && (mode & (groupIsOwner ? 0o002 : 0o022)) === 0;
}
