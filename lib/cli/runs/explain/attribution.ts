/**
 * Running the attribution that a command line asks for.
 *
 * @module
 */
import { UnalignedPromptsError } from "../../../attribution/run/question.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import type { Model } from "../../../model/model.ts";
import { attributeRequest, type RunOptions, type ToAttribute } from "../../../request/attribute.ts";
import type { BaselineRequest } from "../../../request/request.ts";
import type { PromptRequest } from "../../args/run_request.ts";
import type { Opened } from "../../../request/open.ts";
import { printNote } from "../../screen/output.ts";
import { readPromptFile } from "../../args/prompt.ts";

/** The prompts of a baseline's file, where it has one. */
export async function readMeanPrompts(baseline: BaselineRequest): Promise<ToAttribute["meanPrompts"]> {
  if (typeof baseline === "string" || "prompt" in baseline) return undefined;
  return (await readPromptFile(baseline.meanFile)).map(({ prompt }) => prompt);
}

/** Runs it, with the prompt and the baseline's file already read; `more` is what the command decides. */
export async function runAttribution(
  { model, saes }: Opened,
  given: Pick<ToAttribute, "prompt" | "meanPrompts">,
  request: PromptRequest,
  more: RunOptions,
): Promise<Attribution> {
  return await attributeRequest({ model, saes, ...given }, request, more).catch(async (error) => {
    if (error instanceof UnalignedPromptsError) await printNote(await showUnaligned(model, error));
    throw error;
  });
}

/** Both prompts' tokens, so that one sees where they part. */
async function showUnaligned(model: Model, { tokens }: UnalignedPromptsError): Promise<string> {
  const { sideBySide } = await import(
    new URL("../../../report/words.ts", import.meta.url).href
  ) as typeof import("../../../report/words.ts");
  const [prompt, baseline] = await Promise.all(tokens.map((ids) => model.describeTokens(ids)));
  return `${sideBySide(prompt, baseline).join("\n")}\n`;
}
