/**
 * Running the attribution that a command line asks for.
 *
 * @module
 */
import { calculateFeatureAttribution } from "../../attribution/attribution.ts";
import type { AttributionOptions } from "../../attribution/run/attribution_options.ts";
import type { Baseline } from "../../attribution/run/attribution_options.ts";
import { UnalignedPromptsError } from "../../attribution/run/question.ts";
import type { Positions } from "../../attribution/result/positions.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { Model } from "../../model/model.ts";
import type { PromptRequest } from "../args/run_request.ts";
import { inChat } from "../../request/chat.ts";
import type { BaselineRequest, ChatRequest } from "../../request/request.ts";
import { runOptionsOf } from "../../attribution/run/run_options.ts";
import { makeMetric } from "../../attribution/metric/make_metric.ts";
import type { Opened } from "../open.ts";
import { printNote } from "../screen/output.ts";
import { checkRowPositions } from "../row_positions.ts";
import { readPromptFile } from "../files/prompt_file.ts";

/** A baseline with its file read. */
export async function readBaselinePrompts(baseline: BaselineRequest): Promise<Baseline> {
  if (typeof baseline === "string" || "prompt" in baseline) return baseline;
  return { mean: (await readPromptFile(baseline.meanFile)).map(({ prompt }) => prompt) };
}

/** Prompts that a prompt is compared with are written as it is. */
async function baselineInChat(model: Model, baseline: Baseline, chat: ChatRequest | undefined): Promise<Baseline> {
  if (typeof baseline === "string") return baseline;
  if ("prompt" in baseline) return { prompt: await inChat(model, baseline.prompt, chat) };
  const mean: (string | readonly number[])[] = [];
  for (const prompt of baseline.mean) mean.push(await inChat(model, prompt, chat));
  return { mean };
}

/** What a command decides, and the positions of which it will show rows. */
type MoreOptions = Pick<AttributionOptions, "trackHookPoints" | "topPredictions" | "diagnose"> & {
  readonly positions?: Positions;
};

/** Runs it, with the prompt and the baseline already read; `more` is what the command decides. */
export async function runAttribution(
  opened: Opened,
  given: string | readonly number[],
  givenBaseline: Baseline,
  request: PromptRequest,
  { positions, ...more }: MoreOptions,
): Promise<Attribution> {
  const { model, saes } = opened;
  const prompt = await inChat(model, given, request.chat);
  await checkRowPositions(opened, prompt, request, positions);
  const baseline = await baselineInChat(model, givenBaseline, request.chat);
  return await calculateFeatureAttribution(model, prompt, makeMetric(request.metric), {
    saes,
    method: request.method,
    integration: request.integration,
    baseline,
    directEffect: request.directEffect,
    ...runOptionsOf(request),
    ...more,
  }).catch(async (error) => {
    if (error instanceof UnalignedPromptsError) await printNote(await showUnaligned(model, error));
    throw error;
  });
}

/** Both prompts' tokens, so that one sees where they part. */
async function showUnaligned(model: Model, { tokens }: UnalignedPromptsError): Promise<string> {
  const { sideBySide } = await import("../../report/words.ts");
  const [prompt, baseline] = await Promise.all(tokens.map((ids) => model.describeTokens(ids)));
  return `${sideBySide(prompt, baseline).join("\n")}\n`;
}
