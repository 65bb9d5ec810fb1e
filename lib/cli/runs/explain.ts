/**
 * The attribution that several commands begin with, and what they say about it.
 *
 * @module
 */
import type { Positions } from "../../attribution/positions.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import { printable } from "../../table/terminal.ts";
import { attributeRequest } from "../../request/attribute.ts";
import type { PromptRequest } from "../args/run_request.ts";
import type { Opened } from "../../request/open.ts";
import { signed } from "../../report/figures.ts";
import { detail, entry, heading, type Page, warningEntries } from "../screen/summary_layout.ts";
import { methodWords, metricWords, placeWords, promptWords, tokenName } from "../../report/words.ts";

/** Attributes as a request says; `positions`: of which rows will be shown. */
export async function explain(
  { model, saes }: Opened,
  prompt: string | readonly number[],
  request: PromptRequest,
  positions?: Positions,
): Promise<Attribution> {
  return await attributeRequest({ model, saes, prompt }, request, { positions, diagnose: !request.quiet });
}

/** Model, prompt, metric and SAEs, for people. */
export async function explainedWords(result: Attribution, request: PromptRequest, page: Page): Promise<string> {
  const { model, grads: { appended, resolvedMetric } } = result.parts;
  const ids = [...resolvedMetric.positive ?? [], ...resolvedMetric.negative ?? []];
  const names = (await model.describeTokens(ids)).map((token): [number, string] => [token.id, tokenName(token)]);
  const words = `${metricWords(result, new Map(names)).name} ${placeWords(result)} = ${signed(result.metric)}`;
  const saes = result.hooks.map((hook) => {
    const { source } = result.sae(hook);
    return entry("SAE", [printable(source), ...(source.endsWith(hook) ? [] : ["at", printable(hook)])], page);
  });
  return [
    heading(printable(model.description), page) + "\n",
    entry("Prompt", promptWords(result.tokens.slice(0, result.tokens.length - appended)), page),
    entry("Metric", words.split(" "), page),
    detail(`${resolvedMetric.formula}; ${request.metric.chosenFrom}`, page),
    ...saes,
    entry("Method", methodWords(result), page),
    ...(request.includeErrorTerm ? [] : [detail("no error term: the SAEs' reconstructions are in place", page)]),
    ...warningEntries(result.warnings, page),
  ].join("\n");
}
