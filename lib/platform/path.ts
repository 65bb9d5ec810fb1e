/**
 * Paths as the system writes them; `\` and drives on Windows alone.
 *
 * @module
 */
import { OS, workingDirectory } from "./environment.ts";

/** What is before the first name of an absolute path; on Windows a drive alone counts too. */
const ROOT = { posix: /^\/+/, windows: /^(?:[a-z]:[\\/]*|[\\/]{2}[^\\/]+[\\/]+[^\\/]+[\\/]*|[\\/]+)/i };

function rulesOf(os: string): { root: RegExp; separator: string; separators: RegExp } {
  return os === "windows"
    ? { root: ROOT.windows, separator: "\\", separators: /[\\/]+/ }
    : { root: ROOT.posix, separator: "/", separators: /\/+/ };
}

/** The root as it is written, and the names, without `.` and with `..` resolved as far as the path goes. */
function parse(path: string, os: string): { readonly root: string; readonly names: readonly string[] } {
  const { root: pattern, separator, separators } = rulesOf(os);
  const [found = ""] = pattern.exec(path) ?? [];
  const isHost = /^[\\/]{2}/.test(found) && os === "windows";
  const parts = found.split(separators).filter(Boolean);
  const root = isHost
    ? `\\\\${parts.join(separator)}${separator}`
    : `${parts.join("")}${/[\\/]$/.test(found) ? separator : ""}`;
  const names: string[] = [];
  for (const name of path.slice(found.length).split(separators)) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.length > 0 && names.at(-1) !== "..") names.pop();
    else if (root === "") names.push(name);
  }
  return { root, names };
}

/** Parts one below the other, without `.` and `..` where they can be left out. */
export function joinPath(parts: readonly string[], os: string = OS): string {
  const { separator, separators } = rulesOf(os);
  const [first = "", ...rest] = parts.filter(Boolean);
  const between = separators.test(first.at(-1) ?? "") ? "" : separator;
  const { root, names } = parse(rest.length === 0 ? first : first + between + rest.join(separator), os);
  return root + names.join(separator) || ".";
}

/** The same on this system. */
export function join(...parts: readonly string[]): string {
  return joinPath(parts);
}

/** The path of what a path's last name is in. */
export function dirname(path: string, os: string = OS): string {
  const { separators, root } = rulesOf(os);
  const [found = ""] = root.exec(path) ?? [];
  const names = path.slice(found.length).replace(new RegExp(`(?:${separators.source})$`), "");
  const above = names.replace(new RegExp(`(?:^|${separators.source})[^${os === "windows" ? "\\\\/" : "/"}]*$`), "");
  return above === "" ? (os === "windows" ? found : found.slice(0, 1)) || "." : found + above;
}

/** The absolute path of a path. */
export function resolve(path: string, os: string = OS, from?: string): string {
  return joinPath(rulesOf(os).root.test(path) ? [path] : [from ?? workingDirectory(), path], os);
}

/** The way from a directory to a path, both absolute and on the same drive. */
export function relative(from: string, to: string, os: string = OS): string {
  const [start, end] = [parse(from, os).names, parse(to, os).names];
  let common = 0;
  while (common < start.length && start[common] === end[common]) common++;
  const { separator } = rulesOf(os);
  return [...start.slice(common).map(() => ".."), ...end.slice(common)].join(separator);
}
