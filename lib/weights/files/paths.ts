import { quote } from "../../quote.ts";
/**
 * Refuses a path that is not relative or that could leave its directory: absolute, with a drive, `..`, `\` or NUL.
 *
 * @example
 * ```ts
 * checkPath("unet/model.safetensors"); // fine; checkPath("../secret") throws a RangeError
 * ```
 */
export function checkPath(path: string): void {
  if (typeof path !== "string") throw new TypeError(`Cannot read a file: its path is a ${typeof path}, not a string`);
  const bad = path.includes("\0") || path.includes("\\") || /^[A-Za-z]:/.test(path) ||
    path.split("/").some((part) => part === "" || part === "." || part === "..");
  if (bad) throw new RangeError(`Cannot read ${quote(path)}: give a relative path inside the directory`);
}

/**
 * Whether a name that a file gives is that of a file directly beside it: short, and without control characters.
 *
 * @example
 * ```ts
 * console.log(isPlainName("model-00001-of-00002.safetensors"), isPlainName("../model.safetensors")); // true false
 * ```
 */
export function isPlainName(name: string): boolean {
  return name !== "." && name !== ".." && /^[^/\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{1,100}$/u.test(name) &&
    !/^[A-Za-z]:/.test(name);
}
