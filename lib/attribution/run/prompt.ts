/**
 * From a prompt to what the model runs: its tokens, the form of the model, and the positions that SAEs leave alone.
 *
 * @module
 */
import type { Processing } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import type { Metric } from "../metric/metric.ts";
import { resolveExcludeSpecialTokens, resolvePrependBos, resolveProcessing } from "./processing.ts";
import type { SaeRunOptions } from "./run_options.ts";

/** A prompt, ready to run. */
export interface PreparedPrompt {
  /** Token ids: BOS if there is to be one, the prompt's, and those that the metric appends. */
  readonly tokens: readonly number[];
  /** How many of them, at the end, the metric appends. */
  readonly appended: number;
  /** The form of the model. */
  readonly processing: Processing;
  /** Positions that the SAEs leave alone. */
  readonly excluded: ReadonlySet<number>;
}

/**
 * Makes a prompt ready to run.
 *
 * @param prompt text, or token ids used exactly as given
 * @param saes they may decide about the form of the model, BOS and excluded tokens
 * @param metric it may append a continuation
 * @throws {RangeError} on a bad prompt, or if the SAEs disagree
 */
export async function preparePrompt(
  model: Model,
  prompt: string | readonly number[],
  saes: readonly Sae[],
  options: Omit<SaeRunOptions, "includeErrorTerm">,
  metric?: Pick<Metric, "append">,
): Promise<PreparedPrompt> {
  const { truncate, excludeSpecialTokens } = options;
  const processing = resolveProcessing(model.architecture, saes, options.processing, options.processingFlags);
  const prependBos = resolvePrependBos(saes, options.prependBos);
  model.chain.readAhead();
  const given = await model.toTokens(prompt, { prependBos, truncate });
  const encode = async (text: string): Promise<number[]> => (await model.requireTokenizer()).encode(text);
  const appended = await metric?.append?.({ encode }) ?? [];
  const tokens = [...given, ...appended];
  const ids = await excludedIds(model, saes, excludeSpecialTokens);
  const excluded = new Set([...tokens.keys()].filter((position) => ids.has(tokens[position])));
  return { tokens, appended: appended.length, processing, excluded };
}

/** The tokens that the SAEs leave alone. What their metadata say needs a tokenizer; without one, none. */
export async function excludedIds(
  model: Model,
  saes: readonly Sae[],
  choice: boolean | readonly number[] | undefined,
): Promise<ReadonlySet<number>> {
  const said = resolveExcludeSpecialTokens(saes, choice);
  if (said === false) return new Set();
  if (choice === undefined && said === true && await model.tokenizer() === undefined) return new Set();
  return said === true ? (await model.requireTokenizer()).specialIds : new Set(said);
}
