/** Requests for tests, and how each front end is asked. */
import { type Field, jsonNameOf } from "../../lib/request/field.ts";
import { REQUEST_FIELDS, type RequestValues } from "../../lib/request/fields.ts";
import type { FieldName } from "../../lib/request/json.ts";
import type { SaeRequest } from "../../lib/request/saes.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";

/** What is asked about where a request does not say. */
export const PROMPT = " Tiger Woods plays the sport of";

/** What is asked for, whoever asks. */
export interface Asked {
  /** Default {@linkcode PROMPT}; none where there are token ids. */
  readonly prompt?: string;
  readonly values?: RequestValues;
  readonly saes?: readonly SaeRequest[];
}

/** The properties of a request. */
export function body({ values = {}, saes, prompt = PROMPT }: Asked): Record<string, unknown> {
  const properties = Object.entries(values).map(([name, value]) => {
    return [jsonNameOf(name, REQUEST_FIELDS[name as FieldName] as Field), value] as const;
  });
  const objects = saes?.map(({ source, hook, hookIn, normScalingFactor, explanations }) => ({
    source,
    ...(hook === undefined ? {} : { hook }),
    ...(hookIn === undefined ? {} : { hook_in: hookIn }),
    ...(normScalingFactor === undefined ? {} : { norm_scaling_factor: normScalingFactor }),
    ...(explanations === undefined ? {} : { explanations: explanations[0] }),
  }));
  const text = values.tokenIds === undefined ? { prompt } : {};
  return { ...text, ...Object.fromEntries(properties), ...(objects && { saes: objects }) };
}

/** A chat template that reads a variable, for the bundled model. */
const TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}" +
  "{% if shout %}!{% endif %}{% if add_generation_prompt %}assistant:{% endif %}";

/** Makes the bundled model with a chat template in a directory, and returns that. */
export async function makeChatModel(directory: string): Promise<string> {
  const from = fromFileUrl(new URL("../../models/bundled/tiny-facts", import.meta.url));
  for await (const { name } of Deno.readDir(from)) await Deno.copyFile(`${from}/${name}`, `${directory}/${name}`);
  const config = JSON.parse(await Deno.readTextFile(`${directory}/tokenizer_config.json`));
  await Deno.writeTextFile(
    `${directory}/tokenizer_config.json`,
    JSON.stringify({ ...config, chat_template: TEMPLATE }),
  );
  return directory;
}
