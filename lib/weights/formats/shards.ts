import { quote } from "../../quote.ts";
import { isRecord, parseUniqueObject } from "../json/json.ts";
import { isPlainName } from "../files/places.ts";
import type { FileSource } from "../files/file_source.ts";

const MAX_SHARDS = 1000;

/**
 * Reads the index of a sharded model: the paths of its shards, sorted. What it says of single tensors is not used: as in
 * transformers, a model has all tensors of its shards. A shard lies beside its index; a name that would lead out of the
 * directory is a `SyntaxError`.
 */
export async function readShardIndex(source: FileSource, path: string): Promise<string[]> {
  const index = parseUniqueObject(await source.readText(path), path);
  const weightMap = index.weight_map;
  if (!isRecord(weightMap)) throw new SyntaxError(`Cannot read ${path}: its weight_map is not an object`);
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const shards = new Set<string>();
  for (const [name, file] of Object.entries(weightMap)) {
    if (typeof file !== "string" || !isPlainName(file)) {
      const what = `weight_map gives ${quote(file)} for ${quote(name)}`;
      throw new SyntaxError(`Cannot read ${path}: ${what}, not the plain name of a file beside it`);
    }
    shards.add(directory + file);
  }
  if (shards.size > MAX_SHARDS) {
    throw new SyntaxError(`Cannot read ${path}: ${shards.size} shards exceed the limit of ${MAX_SHARDS}`);
  }
  return [...shards].sort();
}
