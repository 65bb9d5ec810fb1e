/**
 * What lies in a directory.
 *
 * @module
 */

/** The paths of all files below a directory, from there. */
export function filesBelow(directory: string, within = ""): string[] {
  return [...Deno.readDirSync(`${directory}/${within}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(directory, `${within}${name}/`) : [within + name]
  );
}
