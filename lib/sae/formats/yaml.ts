/**
 * Single values out of YAML files, which is all that is needed of them.
 *
 * @module
 */

/** A value at the top level, as text; undefined if it is not there, or no scalar. */
export function scalarIn(yaml: string, key: string): string | undefined {
  const value = new RegExp(`^${key}:[ \\t]*(?:"([^"\\n]*)"|'([^'\\n]*)'|([^\\s#'"][^\\s#]*))[ \\t]*(?:#.*)?$`, "m")
    .exec(yaml);
  return value?.slice(1).find((text) => text !== undefined);
}

/** All of them, by key. */
export function scalarsIn(yaml: string): Record<string, string> {
  const keys = yaml.split(/\r?\n/).flatMap((line) => /^([\w-]+):/.exec(line)?.[1] ?? []);
  return Object.fromEntries(keys.flatMap((key) => {
    const value = scalarIn(yaml, key);
    return value === undefined ? [] : [[key, value]];
  }));
}

/** The indented lines below a key at the top level, without their indentation. */
export function sectionIn(yaml: string, key: string): string {
  const lines = yaml.split(/\r?\n/);
  const start = lines.findIndex((line) => new RegExp(`^${key}:[ \\t]*(?:#.*)?$`).test(line)) + 1;
  if (start === 0) return "";
  const length = lines.slice(start).findIndex((line) => /^[^\s#]/.test(line));
  const inside = lines.slice(start, length < 0 ? undefined : start + length);
  const indent = /^[ \t]*/.exec(inside.find((line) => /\S/.test(line)) ?? "")![0];
  return inside.map((line) => line.startsWith(indent) ? line.slice(indent.length) : line).join("\n");
}
