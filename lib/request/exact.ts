/**
 * Which rows of an attribution are exact, and of how many it is said how far they can be trusted.
 *
 * @module
 */
import type { ExactOptions } from "../attribution/methods/ablation.ts";
import { EXACT_METHODS, type MethodName } from "../attribution/methods/names.ts";
import { quote } from "../quote.ts";
import type { RequestValues } from "./fields.ts";
import { RequestError } from "./request_error.ts";

/**
 * What fields say of it; undefined: nothing.
 *
 * @throws {RequestError} if the method has no use for a field, or a time is not understood
 */
export function readExact(
  method: MethodName,
  { rows, budget, refine, curvature }: RequestValues,
): ExactOptions | undefined {
  const isExact = EXACT_METHODS.includes(method);
  if (isExact && refine !== undefined) {
    throw new RequestError(`\`refine\` makes some rows exact, \`method: "${method}"\` all: leave out one of them`);
  }
  const limit = rows !== undefined ? "rows" : budget !== undefined ? "budget" : undefined;
  if (!isExact && limit !== undefined) {
    const names = EXACT_METHODS.map((name) => `\`method: "${name}"\``).join(" or ");
    throw new RequestError(`\`${limit}\` belongs to ${names}: add that, or leave it out`);
  }
  const given = { rows, budget: budget === undefined ? undefined : readBudget(budget), refine, curvature };
  return Object.values(given).every((value) => value === undefined) ? undefined : given;
}

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/**
 * A time in seconds.
 *
 * @throws {RequestError} if it is none
 */
function readBudget(text: string): number {
  const [, number, unit] = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)$/.exec(text.trim()) ?? [];
  const seconds = Number(number) * SECONDS[unit];
  if (seconds > 0) return seconds;
  throw new RequestError(`\`budget\` is ${quote(text)}: give a time above 0 with its unit, such as 500ms, 30s or 2m`);
}
