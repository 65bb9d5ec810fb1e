/**
 * Which tokens end a text.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { isRecord, parseJsonObject } from "../../weights/json/json.ts";
import { type FileSource, readTextIfThere } from "../../weights/files/source.ts";

/**
 * `eos_token_id`, a number or a list, of `generation_config.json`, else of `config.json`, of a multimodal model that of
 * its text model: where transformers looks.
 *
 * @throws {TypeError} if it is something else
 */
export async function readEosIds(source: FileSource, config: Readonly<Record<string, unknown>>): Promise<number[]> {
  const file = "generation_config.json";
  const text = await readTextIfThere(source, file, 2 ** 20);
  const said = text === undefined ? undefined : idsOf(parseJsonObject(text, file), file);
  const inner = isRecord(config.text_config) ? config.text_config : {};
  return said ?? idsOf(config, "config.json") ?? idsOf(inner, "config.json") ?? [];
}

function idsOf({ eos_token_id: said }: Readonly<Record<string, unknown>>, file: string): number[] | undefined {
  if (said === undefined || said === null) return undefined;
  const ids: unknown[] = Array.isArray(said) ? said : [said];
  if (ids.every((id): id is number => Number.isSafeInteger(id) && Number(id) >= 0)) return ids;
  throw new TypeError(`${file}: "eos_token_id" is ${quote(said)}, not token ids`);
}
