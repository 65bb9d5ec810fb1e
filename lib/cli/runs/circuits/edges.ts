/**
 * What `edges` does once its command line is understood.
 *
 * @module
 */
import { edgeTable, type FeatureEdges, featureEdges } from "../../../attribution/circuits/feature_edges.ts";
import { promptWarnings } from "../../../attribution/run/prompt_warnings.ts";
import { hookNames } from "../../../model/hooks.ts";
import { printable } from "../../../table/terminal.ts";
import { findExplanations } from "../../files/explanations.ts";
import type { EdgesRequest } from "../../commands/circuits/edges.ts";
import type { Opened } from "../../../request/open.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { placeIn, written, type WrittenPrompt } from "../../../request/chat.ts";
import { readPrompt } from "../../args/prompt.ts";
import { count, plain } from "../../../report/figures.ts";
import { entry, type Page, titled, warningEntries } from "../../screen/summary_layout.ts";
import { promptWords, tokenAt } from "../../../report/words.ts";
import { isForReading, writeTable } from "../../screen/write_table.ts";

/** Rows on a terminal, unless the user says otherwise. */
const ROWS_ON_TERMINAL = 20;
/** Targets in the summary for people. */
const MOST_TARGETS = 8;

/** Traces the edges and writes them. */
export async function edges(request: EdgesRequest): Promise<void> {
  const { destination, quiet, featuresOnly, labels } = request;
  const given = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown(request, screen);
  const { model, saes } = opened;
  const chat = await written(model, given, request.chat);
  const { prompt } = chat;
  const { explanations, warnings } = await findExplanations(saes, opened.requests);
  const { prependBos, truncate, processing, processingFlags, excludeSpecialTokens } = request;
  const run = { prependBos, truncate, processing, processingFlags, excludeSpecialTokens };
  const options = { ...run, saes, targets: targetsOf(request, opened, chat) };
  const found = await withProgress(screen, "tracing", () => featureEdges(model, prompt, options));
  if (!quiet) {
    const odd = await promptWarnings(model, prompt, found.tokens.map(({ id }) => id));
    await printNote(report(model.description, found, [...odd, ...warnings], screen));
  }
  const top = request.top ?? (isForReading(destination) ? ROWS_ON_TERMINAL : undefined);
  const table = edgeTable(found, { top, featuresOnly, ...(labels ? { explanations } : {}) });
  await writeTable(table, destination, "weight");
}

/** The targets, those without a hook at the last SAE's. */
function targetsOf(
  { targets }: EdgesRequest,
  { model, saes }: Opened,
  chat: WrittenPrompt,
): { hook: string; position: number; feature: number }[] | undefined {
  if (targets.length === 0) return undefined;
  const order = hookNames(model.architecture);
  const last = saes.map(({ hookOut }) => hookOut).sort((a, b) => order.indexOf(b) - order.indexOf(a))[0];
  return targets.map((target) => ({ hook: last, ...target, position: placeIn(chat, target.position) }));
}

function report(
  description: string,
  { tokens, nodes, targets }: FeatureEdges,
  warnings: readonly string[],
  page: Page,
): string {
  const shown = targets.slice(0, MOST_TARGETS).map(
    ({ hook, position, feature, activation, preActivation, weights, rest }) => {
      const by = (kind: string): number =>
        nodes.reduce((sum, node, i) => node.kind === kind ? sum + weights[i] : sum, 0);
      const parts = [
        `features ${plain(by("feature"))}`,
        `errors ${plain(by("error"))}`,
        `biases ${plain(by("bias"))}`,
        `embeddings ${plain(by("token") + by("position"))}`,
        `rest ${plain(rest)}`,
      ];
      const name = `feature ${feature} at ${tokenAt(tokens, position)}, ${printable(hook)}:`;
      const value = `${plain(preActivation)}${activation === 0 ? " (not active)" : ""} =`;
      return entry("Target", [...name.split(" "), ...value.split(" "), ...parts.join(" + ").split(" ")], page);
    },
  );
  const left = targets.length - shown.length;
  const lines = [
    entry("Prompt", promptWords(tokens), page),
    ...shown,
    ...(left > 0 ? [entry("", [`… and ${count(left, "more target")}`], page)] : []),
    ...warningEntries(warnings, page),
  ];
  return titled(description, lines, page);
}
