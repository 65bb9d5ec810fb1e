/**
 * Single values out of YAML files, which is all that is needed of them.
 *
 * @module
 */

const SCALAR = /^([\w-]{1,100}):[ \t]*(?:"([^"]*)"|'([^']*)'|([^\s#'"][^\s#]*))[ \t]*(?:#.*)?$/;

/** The values at the top level, as text by their key; what is no scalar is left out. */
export function scalarsIn(yaml: string): Record<string, string> {
  const scalars = new Map<string, string>();
  for (const line of yaml.split(/\r?\n/)) {
    const [, key, ...values] = SCALAR.exec(line) ?? [];
    const value = values.find((text) => text !== undefined);
    if (value !== undefined && !scalars.has(key)) scalars.set(key, value);
  }
  return Object.fromEntries(scalars);
}

/** The indented lines below a key at the top level, without their indentation. */
export function sectionIn(yaml: string, key: string): string {
  const lines = yaml.split(/\r?\n/);
  const head = new RegExp(`^${key}:[ \\t]*(?:#.*)?$`);
  const start = lines.findIndex((line) => head.test(line)) + 1;
  if (start === 0) return "";
  const length = lines.slice(start).findIndex((line) => /^[^\s#]/.test(line));
  const inside = lines.slice(start, length < 0 ? undefined : start + length);
  const indent = /^[ \t]*/.exec(inside.find((line) => /\S/.test(line)) ?? "")![0];
  return inside.map((line) => line.startsWith(indent) ? line.slice(indent.length) : line).join("\n");
}
