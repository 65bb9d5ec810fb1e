/**
 * Files that a command line asks for: what cannot be written is found before the work, not after it.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { flagOf } from "../../request/field.ts";
import type { CommandSpec } from "./args.ts";
import { quote, UsageError } from "./values.ts";

/** What a command line came to. */
interface Parsed {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
}

/** A file or directory that a command line names. */
interface Named {
  /** `--output` */
  readonly flag: string;
  readonly path: string;
  readonly kind: "file" | "directory";
}

/**
 * Checks that the files of options that say `writes` can be written, each its own and none of them one that is read.
 *
 * @throws {UsageError} if two options name one file, or one that is read
 * @throws {Error} if a file cannot be written
 */
export async function checkOutputs(spec: CommandSpec, parsed: Parsed): Promise<void> {
  const outputs = namedBy(spec, parsed);
  if (outputs.length === 0) return;
  const { checkWritable, checkWritableDirectory } = await import(
    new URL("../../table/write_file.ts", import.meta.url).href
  ) as typeof import("../../table/write_file.ts");
  for (const { path, kind } of outputs) await (kind === "file" ? checkWritable : checkWritableDirectory)(path);
  const files = outputs.filter(({ kind }) => kind === "file");
  const seen = new Map<string, string>();
  for (const path of readBy(spec, parsed)) {
    const place = await placeOf(path);
    if (place !== undefined) seen.set(place, "what is read");
  }
  for (const { flag, path } of files) {
    const place = await placeOf(path);
    if (place === undefined) continue;
    const other = seen.get(place);
    if (other !== undefined) throw new UsageError(`${flag} ${quote(path)} is ${other} too: give another file`);
    seen.set(place, `that of ${flag}`);
  }
}

function namedBy({ options }: CommandSpec, { values }: Parsed): Named[] {
  return Object.entries(options).flatMap(([name, field]) => {
    const { writes } = field;
    const path = values[name];
    return writes === undefined || typeof path !== "string"
      ? []
      : [{ flag: `--${flagOf(name, field)}`, path, kind: writes }];
  });
}

/** Files that the command line says are read. */
function readBy({ options, positionals }: CommandSpec, { values, positionals: given }: Parsed): string[] {
  const named = Object.entries(options).flatMap(([name, { reads }]) => {
    const texts = reads === undefined ? [] : [values[name] ?? []].flat().map(String);
    return reads instanceof RegExp ? texts.flatMap((text) => reads.exec(text)?.[1] ?? []) : texts;
  });
  return [...given.filter((_, i) => positionals[i]?.reads), ...named];
}

/** What the names of one file have in common; undefined for devices and pipes, which many may write to. */
async function placeOf(path: string): Promise<string | undefined> {
  const existing = await Deno.stat(path).catch(() => undefined);
  if (existing !== undefined) return existing.isFile ? await Deno.realPath(path) : undefined;
  const directory = await Deno.realPath(dirname(path)).catch(() => dirname(path)); // what is read may be nowhere
  return join(directory, basename(path));
}
