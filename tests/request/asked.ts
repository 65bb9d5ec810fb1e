/** Requests for tests, and how each front end is asked. */
import { type Field, jsonNameOf } from "../../lib/request/field.ts";
import { REQUEST_FIELDS, type RequestValues } from "../../lib/request/fields.ts";
import type { FieldName } from "../../lib/request/json.ts";
import type { SaeRequest } from "../../lib/request/saes.ts";

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
