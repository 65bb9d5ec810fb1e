/**
 * The command line that gives the same rows as a request.
 *
 * @module
 */
import { findBundledModel } from "../bundled.ts";
import { commandLine, requestArgs } from "../request/command.ts";
import type { Field } from "../request/field.ts";
import { REQUEST_FIELDS, type RequestValues } from "../request/fields.ts";
import type { AttributeJob } from "./jobs.ts";

/** A token's text where that text alone is this token. */
type Spell = (id: number) => string | undefined;

/** `deno run -A cli.ts attribute …` for a POSIX shell; texts of tokens are written instead of ids where there are such. */
export function attributeCommand(
  { values, model, saes, prompt }: AttributeJob,
  spell: Spell = () => undefined,
): string {
  const isDefault = saes.length === 1 && Object.keys(saes[0]).length === 1 &&
    saes[0].source === findBundledModel(model)?.default_sae;
  const args = requestArgs({
    values: withoutDefaults(spelled(values, spell)),
    saes: isDefault ? [] : saes,
    prompt: typeof prompt === "string" ? prompt : undefined,
  });
  return commandLine(["attribute", ...args]);
}

function spelled(values: RequestValues, spell: Spell): RequestValues {
  const side = (texts: readonly string[] = [], ids: readonly number[] = []): [string[], number[]] => {
    const isSpelled = (id: number): boolean => spell(id) !== undefined;
    return [[...texts, ...ids.filter(isSpelled).map((id) => spell(id)!)], ids.filter((id) => !isSpelled(id))];
  };
  const [posToken, posId] = side(values.posToken, values.posId);
  const [negToken, negId] = side(values.negToken, values.negId);
  return { ...values, posToken, posId, negToken, negId };
}

function withoutDefaults(values: RequestValues): RequestValues {
  const given = Object.entries(values).filter(([name, value]) => {
    const field: Field = REQUEST_FIELDS[name as keyof RequestValues];
    return String(value) !== field.default;
  });
  return Object.fromEntries(given);
}
