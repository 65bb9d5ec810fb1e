/**
 * Whether there is a graphics processor, asked so that nothing is printed and nothing crashes: on Linux without a
 * display, drivers in software write to standard error when an adapter is asked for, and may crash at the end.
 *
 * @module
 */
import { askChild } from "../../platform/child.ts";
import { OS, readVariable, RUNTIME_VERSION } from "../../platform/environment.ts";
import { fileSystem } from "../../platform/files.ts";
import { dirname, join } from "../../platform/path.ts";
import { ownCache } from "../../weights/hub/settings.ts";

/** Where Vulkan's loader looks for drivers' manifests, below directories for data and settings. */
const MANIFESTS = "vulkan/icd.d";
/** Drivers in software. */
const SOFTWARE = /^(lvp|swiftshader|vk_swiftshader|dzn_warp)|llvmpipe|softpipe/i;
/** Devices of a graphics processor: a render node, NVIDIA's, and Windows' below Linux. */
const DEVICES: readonly (readonly [directory: string, name: RegExp])[] = [
  ["/dev/dri", /^renderD\d+$/],
  ["/dev", /^(nvidia\d+|dxg)$/],
];
/** A driver that has not answered by then is not waited for. */
const PROBE_MS = 3000;

/** What a child process runs; prints the adapter's name, or nothing. */
const PROBE = `
const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
const { info } = adapter ?? {};
const name = info && (info.description || info.device || info.vendor);
if (name && !(info.isFallbackAdapter ?? adapter.isFallbackAdapter)) console.log(name);`;

/** What is looked at; all of it is as on this machine by default. */
export interface GpuSurroundings {
  readonly os?: string;
  /** The root of the file system. */
  readonly root?: string;
  readonly variable?: (name: string) => string | undefined;
  /** Where the answer is kept. */
  readonly cacheFile?: string;
  /** Asks for an adapter. */
  readonly probe?: () => Promise<string | undefined>;
}

/**
 * The graphics processor's name; undefined if there is none, or it may not be asked for without permission.
 *
 * On Linux an adapter is asked for only if there are a device and a driver that is not software, in a process of its own,
 * and the answer is kept in the program's cache until a driver's file changes.
 */
export async function findGpu(surroundings: GpuSurroundings = {}): Promise<string | undefined> {
  const { os = OS, probe = probeInChild, cacheFile = join(ownCache(), "gpu.json") } = surroundings;
  if (os !== "linux") return await probe();
  const drivers = mayHaveGpu(surroundings) ? driverFiles(surroundings) : [];
  if (drivers.length === 0) return undefined;
  const key = JSON.stringify([RUNTIME_VERSION, ...drivers]);
  const known = readAnswer(cacheFile, key);
  if (known !== undefined) return known || undefined;
  const name = await probe();
  await keepAnswer(cacheFile, key, name ?? "");
  return name;
}

/** Whether it is worth asking: not on Linux without a device. */
export function mayHaveGpu({ os = OS, root = "/" }: GpuSurroundings = {}): boolean {
  if (os !== "linux") return true;
  return DEVICES.some(([directory, name]) => namesIn(join(root, directory)).some((file) => name.test(file)));
}

/** Manifests of drivers that are not software, with the times of their last change. */
function driverFiles({ root = "/", variable = readVariable }: GpuSurroundings): string[] {
  const set = (name: string): string | undefined => variable(name) || undefined;
  const chosen = set("VK_DRIVER_FILES") ?? set("VK_ICD_FILENAMES");
  const home = set("HOME") ?? "/";
  const directories = [
    set("XDG_CONFIG_HOME") ?? join(home, ".config"),
    ...(set("XDG_CONFIG_DIRS") ?? "/etc/xdg").split(":"),
    "/etc",
    set("XDG_DATA_HOME") ?? join(home, ".local/share"),
    ...(set("XDG_DATA_DIRS") ?? "/usr/local/share:/usr/share").split(":"),
  ].map((directory) => join(directory, MANIFESTS));
  const files = chosen?.split(":") ??
    directories.flatMap((directory) => namesIn(join(root, directory)).map((name) => join(directory, name)));
  return files.filter((file) => file.endsWith(".json") && !SOFTWARE.test(file.split("/").at(-1)!))
    .flatMap((file) => changedAt(join(root, file)).map((time) => `${file} ${time}`));
}

function namesIn(directory: string): string[] {
  try {
    return [...fileSystem.readDirSync(directory)].map(({ name }) => name);
  } catch {
    return []; // not there, or not to be read
  }
}

function changedAt(file: string): number[] {
  try {
    return [fileSystem.statSync(file).mtime?.getTime() ?? 0];
  } catch {
    return [];
  }
}

async function probeInChild(): Promise<string | undefined> {
  return (await askChild(PROBE, PROBE_MS))?.split("\n")[0].trim().slice(0, 100) || undefined;
}

function readAnswer(file: string, key: string): string | undefined {
  try {
    const answer = JSON.parse(fileSystem.readTextFileSync(file));
    return answer.key === key && typeof answer.name === "string" ? answer.name : undefined;
  } catch {
    return undefined; // none yet
  }
}

async function keepAnswer(file: string, key: string, name: string): Promise<void> {
  const part = `${file}.${crypto.randomUUID()}`;
  try {
    await fileSystem.mkdir(dirname(file), { recursive: true });
    await fileSystem.writeTextFile(part, JSON.stringify({ key, name }));
    await fileSystem.rename(part, file);
  } catch { // the cache is not to be written to: it is asked again next time
    await fileSystem.remove(part).catch(() => {});
  }
}
