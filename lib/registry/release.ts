/**
 * A release of SAELens's directory, expanded.
 *
 * @module
 */
import { unpackNumbers, unpackTexts } from "./columns.ts";
import type { PackedRelease, ReleaseFacts } from "./data.ts";

/** One SAE with the fields that SAELens's directory gives it. */
export interface DirectorySae {
  readonly id: string;
  readonly path: string | number;
  readonly neuronpedia?: string;
  readonly l0?: number;
  readonly variance_explained?: number;
  readonly norm_scaling_factor?: number;
}

/** A release as SAELens's directory has it. */
export interface DirectoryRelease extends ReleaseFacts {
  readonly saes: readonly DirectorySae[];
}

const NUMBERS = ["l0", "norm_scaling_factor", "variance_explained"];

/**
 * Expands a release to exactly the fields of SAELens's directory.
 *
 * @throws {SyntaxError} if its columns are malformed
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { unpackRelease } from "./release.ts";
 *
 * const columns = { id: "00layer_0 601 602", path: "res/*", l0: "60x3" };
 * const { saes } = unpackRelease({ repo_id: "me/saes", model: "gpt2", conversion_func: null, columns });
 * assert.deepEqual(saes[2], { id: "layer_2", path: "res/layer_2", l0: 60 });
 * ```
 */
export function unpackRelease({ columns, integer_paths, extra = {}, ...facts }: PackedRelease): DirectoryRelease {
  const ids = unpackTexts(columns.id) as string[];
  const paths = columns.path.includes("*") ? ids.map((id) => columns.path.replace("*", id)) : unpackTexts(columns.path);
  const fields: [string, readonly unknown[]][] = [["id", ids], ["path", integer_paths ? paths.map(Number) : paths]];
  if (columns.neuronpedia !== undefined) fields.push(["neuronpedia", unpackTexts(columns.neuronpedia)]);
  for (const name of NUMBERS) if (columns[name] !== undefined) fields.push([name, unpackNumbers(columns[name])]);
  const uneven = fields.find(([, rows]) => rows.length !== ids.length);
  if (uneven) throw new SyntaxError(`Cannot read the list of SAEs: ${uneven[0]} has ${uneven[1].length} rows`);
  const saes = ids.map((_, row) => {
    const sae: Record<string, unknown> = {};
    for (const [name, rows] of fields) if (rows[row] !== undefined) sae[name] = rows[row];
    return Object.assign(sae, extra[row]) as unknown as DirectorySae;
  });
  return { ...facts, saes };
}
