/**
 * The question of the result that is shown, as jobs that change its features take it.
 *
 * @module
 */
import { METRIC_NAMES, NAMED_METRICS } from "../../../attribution/metric/names.ts";
import type { ReportData, ReportTarget } from "../../../report/report_data.ts";
import { jsonNameOf } from "../../../request/field.ts";
import { CHAT_FIELDS, type Fields, METRIC_FIELDS, REQUEST_FIELDS } from "../../../request/fields.ts";
import { REFUSED } from "../../../request/refused.ts";
import type { EngineBody } from "../engine.ts";

/** Properties of fields. */
function properties(fields: Fields): string[] {
  return Object.entries(fields).map(([name, field]) => jsonNameOf(name, field));
}

/** What they do not take of an attribution's body. */
const NOT_TAKEN = new Set(
  Object.keys(REFUSED["/api/select"]).map((name) => jsonNameOf(name, (REQUEST_FIELDS as Fields)[name])),
);

/** What decides about tokens, and about the metric: of a token of an answer both are said anew. */
const OF_THE_PROMPT = new Set([
  "prompt",
  "prepend_bos",
  "truncate",
  ...properties({ ...CHAT_FIELDS, ...METRIC_FIELDS }),
]);

/** The part of an attribution's body that says what is explained; of an answer, its token that `data` is about. */
export function questionBody(attribution: EngineBody, data: ReportData): EngineBody | undefined {
  const explained = only(attribution, (name) => !NOT_TAKEN.has(name));
  const { answer, tokens } = data;
  if (answer === undefined) return explained;
  const target = targetOf(data);
  if (target === undefined) return undefined;
  const { name, positiveTokens, negativeTokens } = target.metric;
  const [positive, negative] = [positiveTokens, negativeTokens].map((side) => side.map(({ id }) => id));
  return {
    ...only(explained, (name) => !OF_THE_PROMPT.has(name)),
    token_ids: tokens.map(({ id }) => id),
    metric: { name: METRIC_NAMES.find((one) => NAMED_METRICS[one].outputName === name), positive, negative },
  };
}

/** The token of an answer that the data are about; undefined: all together, or there is no answer. */
export function targetOf({ answer, metric }: ReportData): ReportTarget | undefined {
  return answer?.targets.find((target) => target.metric === metric);
}

function only(body: EngineBody, isWanted: (name: string) => boolean): EngineBody {
  return Object.fromEntries(Object.entries(body).filter(([name]) => isWanted(name)));
}
