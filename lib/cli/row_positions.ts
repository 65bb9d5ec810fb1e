/**
 * Positions of rows that a prompt does not have: found once its tokens are known, before the run.
 *
 * @module
 */
import { tokenizeQuestion } from "../attribution/run/question.ts";
import { checkPositions, type Positions } from "../attribution/result/positions.ts";
import { makeMetric } from "../attribution/metric/make_metric.ts";
import { runOptionsOf } from "../attribution/run/run_options.ts";
import type { PromptRequest } from "./args/run_request.ts";
import type { Opened } from "./open.ts";

/** @throws {RangeError} if the prompt, with what the metric adds to it, has none of one of the positions */
export async function checkRowPositions(
  { model, saes }: Opened,
  prompt: string | readonly number[],
  request: Parameters<typeof runOptionsOf>[0] & Pick<PromptRequest, "metric">,
  positions: Positions | undefined,
): Promise<void> {
  if (positions === undefined) return;
  const question = { prompt, metric: makeMetric(request.metric) };
  const { tokens } = await tokenizeQuestion(model, question, { saes, ...runOptionsOf(request), diagnose: false });
  checkPositions(positions, tokens.length);
}
