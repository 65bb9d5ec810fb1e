/**
 * The summary of an `attribute` run; imported only where somebody reads it.
 *
 * @module
 */
import type { Attribution } from "../../attribution/result/result.ts";
import { tokenName } from "../../report/words.ts";
import type { AttributeRequest } from "../commands/attribute.ts";
import type { Checks } from "../files/exports.ts";
import type { FoundExplanations } from "../files/explanations.ts";
import type { Screen } from "./output.ts";
import { attributionReport } from "./summary.ts";

/** Asks the model for what the summary says, and writes it. */
export async function makeReport(
  request: AttributeRequest,
  result: Attribution,
  found: FoundExplanations,
  checks: Checks,
  screen: Screen,
): Promise<string> {
  const { model, grads: { resolvedMetric } } = result.parts;
  const ids = [...resolvedMetric.positive ?? [], ...resolvedMetric.negative ?? []];
  const names = (await model.describeTokens(ids)).map((token): [number, string] => [token.id, tokenName(token)]);
  const warnings = [...result.warnings, ...found.warnings];
  const seconds = performance.now() / 1000;
  return attributionReport(
    { result, request, labels: found.explanations, tokenNames: new Map(names), ...checks, warnings, seconds },
    screen,
  );
}
