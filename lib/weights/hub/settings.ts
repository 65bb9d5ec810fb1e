/**
 * What the environment says about the hub, in the variables that Python's huggingface_hub reads.
 *
 * @module
 */
import { fileSystem } from "../../platform/files.ts";
import { OS, readVariable } from "../../platform/environment.ts";
import { join } from "../../platform/path.ts";

/** Where the hub is, and where its files are kept. */
export interface HubSettings {
  /** The hub's address, without a slash at its end. */
  readonly endpoint: string;
  /** Only what is in the cache is used. */
  readonly offline: boolean;
  /** The cache that is shared with Python's huggingface_hub. */
  readonly cacheDirectory: string;
  /** The program's own cache of parts of files. */
  readonly rangesDirectory: string;
  /** Links in the cache; otherwise files are moved and copied. */
  readonly symlinks: boolean;
  /** The token, else the file that holds it. */
  readonly token: string | undefined;
  /** Read when there is no `token`; undefined: none. */
  readonly tokenFile: string | undefined;
}

/** Reads one environment variable. */
export type ReadVariable = (name: string) => string | undefined;

/** The hub itself. */
export const DEFAULT_ENDPOINT = "https://huggingface.co";

/**
 * The settings that the environment makes: `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`,
 * `HF_TOKEN_PATH`, `HF_HUB_DISABLE_SYMLINKS`, `HF_HUB_DISABLE_IMPLICIT_TOKEN`, and `SAE_ATTRIBUTION_CACHE` for the
 * program's own cache.
 */
export function readHubSettings(read: ReadVariable = readVariable, os: string = OS): HubSettings {
  const variable = (name: string): string | undefined => read(name) || undefined;
  const place = (name: string): string | undefined => expand(variable(name), variable);
  const home = place("HF_HOME") ??
    join(place("XDG_CACHE_HOME") ?? join(homeDirectory(variable), ".cache"), "huggingface");
  const tokenFile = place("HF_TOKEN_PATH") ?? join(home, "token");
  return {
    endpoint: (variable("HF_ENDPOINT") ?? DEFAULT_ENDPOINT).replace(/\/+$/, ""),
    offline: isTrue(variable("HF_HUB_OFFLINE") ?? variable("TRANSFORMERS_OFFLINE")),
    cacheDirectory: place("HF_HUB_CACHE") ?? place("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub"),
    rangesDirectory: join(ownCache(read, os), "ranges"),
    symlinks: !isTrue(variable("HF_HUB_DISABLE_SYMLINKS")),
    token: cleanToken(variable("HF_TOKEN") ?? variable("HUGGING_FACE_HUB_TOKEN")),
    tokenFile: isTrue(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN")) ? undefined : tokenFile,
  };
}

/**
 * The token to send, from the settings or their file.
 *
 * @throws {RangeError} if it cannot be one
 */
export async function readToken(
  { token, tokenFile }: Pick<HubSettings, "token" | "tokenFile">,
): Promise<string | undefined> {
  if (token !== undefined || tokenFile === undefined) return checkToken(cleanToken(token), "HF_TOKEN");
  let text: string;
  try {
    text = await fileSystem.readTextFile(tokenFile);
  } catch {
    return undefined; // nobody has logged in, or the file is not ours to read
  }
  return checkToken(cleanToken(text), tokenFile);
}

/** A token without the end of its line. */
function cleanToken(token: string | undefined): string | undefined {
  return token?.replace(/[\r\n]/g, "").trim() || undefined;
}

/** A token as it may stand in a header; the message does not show it. */
function checkToken(token: string | undefined, place: string): string | undefined {
  const bad = token === undefined ? -1 : token.search(/[^\x21-\x7e]/);
  if (bad < 0) return token;
  const what = `character ${bad + 1} of ${token!.length} is ${/\s/.test(token![bad]) ? "a space" : "not ASCII"}`;
  throw new RangeError(`${place} is no token: ${what}; copy it again from the hub's settings, or unset it`);
}

function isTrue(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes(value?.toUpperCase() ?? "");
}

function homeDirectory(variable: ReadVariable): string {
  return variable("HOME") ?? variable("USERPROFILE") ?? ".";
}

/** The program's own cache: `SAE_ATTRIBUTION_CACHE`, else where the system wants what can be made again. */
export function ownCache(read: ReadVariable = readVariable, os: string = OS): string {
  const variable = (name: string): string | undefined => read(name) || undefined;
  const chosen = expand(variable("SAE_ATTRIBUTION_CACHE"), variable);
  if (chosen !== undefined) return chosen;
  const home = homeDirectory(variable);
  if (os === "windows") return join(variable("LOCALAPPDATA") ?? join(home, "AppData", "Local"), "sae-attribution");
  if (os === "darwin") return join(home, "Library", "Caches", "sae-attribution");
  return join(variable("XDG_CACHE_HOME") ?? join(home, ".cache"), "sae-attribution");
}

/** `~` and `$NAME` or `${NAME}`, as a shell would. */
function expand(path: string | undefined, variable: ReadVariable): string | undefined {
  return path?.replace(/^~(?=[/\\]|$)/, () => homeDirectory(variable))
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (all, braced, plain) => variable(braced ?? plain) ?? all);
}
