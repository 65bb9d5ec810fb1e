/**
 * What `graph` does once its command line is understood.
 *
 * @module
 */
import { type AttributionGraph, attributionGraph } from "../../../attribution/circuits/attribution_graph.ts";
import { type CircuitTracerGraph, toCircuitTracer } from "../../../attribution/circuits/circuit_tracer.ts";
import { promptWarnings } from "../../../attribution/run/prompt_warnings.ts";
import { findExplanations } from "../../files/explanations.ts";
import type { GraphRequest } from "../../commands/circuits/graph.ts";
import { checkIndex, writeGraph } from "../../files/graph_files.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { inChat } from "../../../request/chat.ts";
import { readPrompt } from "../../args/prompt.ts";
import { count, percent } from "../../../report/figures.ts";
import { entry, type Page, titled, warningEntries } from "../../screen/summary_layout.ts";
import { promptWords, tokenName } from "../../../report/words.ts";

/** Makes the graph and writes it. */
export async function graph(request: GraphRequest): Promise<void> {
  if (request.directory !== undefined) await checkIndex(request.directory);
  const given = await readPrompt(request.prompt);
  const screen = stderrScreen(request.quiet);
  await using opened = await openShown(request, screen);
  const { model, saes } = opened;
  const prompt = await inChat(model, given, request.chat);
  const { explanations, warnings } = await findExplanations(saes, opened.requests);
  const { prependBos, truncate, processing, processingFlags, excludeSpecialTokens } = request;
  const { maxLogits, logitProbability, maxFeatures } = request;
  const run = { prependBos, truncate, processing, processingFlags, excludeSpecialTokens };
  const options = { ...run, maxLogits, logitProbability, maxFeatures, saes };
  const work = (): Promise<AttributionGraph> => attributionGraph(model, prompt, options);
  const made = await withProgress(screen, "looking for direct effects", work);
  const written = await toCircuitTracer(made, {
    slug: request.slug ?? slugOf(made),
    scan: request.scan ?? model.name,
    nodeThreshold: request.nodeThreshold,
    edgeThreshold: request.edgeThreshold,
    explanations,
    settings: {
      max_n_logits: request.maxLogits,
      desired_logit_prob: request.logitProbability,
      max_feature_nodes: request.maxFeatures,
    },
  });
  if (!request.quiet) {
    const odd = await promptWarnings(model, prompt, made.tokens.map(({ id }) => id));
    await printNote(report(model.description, made, written, [...odd, ...warnings], screen));
  }
  await writeGraph(written, request);
}

/** A name for files and addresses: the words of the prompt. */
function slugOf({ prompt, tokens: [first] }: AttributionGraph): string {
  const text = first.isSpecial ? prompt.slice(first.text.length) : prompt;
  const words = text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
  return words.slice(0, 60).replace(/-+$/, "") || "graph";
}

function report(
  description: string,
  graph: AttributionGraph,
  { metadata: { scores, pruning_settings }, nodes, links }: CircuitTracerGraph,
  warnings: readonly string[],
  page: Page,
): string {
  const { tokens, logits, nFeatures, nActive, missing, nLayers } = graph;
  const kept = nodes.filter(({ feature_type }) => feature_type === "cross layer transcoder").length;
  const { node_threshold: node, edge_threshold: edge } = pruning_settings;
  const words = (text: string): string[] => text.split(" ");
  const lines = [
    entry("Prompt", promptWords(tokens), page),
    entry(
      "Logits",
      logits.flatMap(({ id, token, probability }) => [`${tokenName({ id, text: token })} ${percent(probability)}`, ""]),
      page,
    ),
    entry(
      "Graph",
      words(
        `${count(nFeatures, "feature")} of ${nActive.toLocaleString("en-US")} active; after pruning (nodes ${node}, ` +
          `edges ${edge}) ${count(kept, "feature")}, ${count(nodes.length, "node")} and ${count(links.length, "edge")}`,
      ),
      page,
    ),
    entry(
      "Scores",
      words(
        `replacement ${scores.replacement.toFixed(3)} (what goes from tokens to logits through features alone), ` +
          `completeness ${scores.completeness.toFixed(3)} (what of the nodes' causes is no error)`,
      ),
      page,
    ),
    ...warningEntries([...warnings, ...(missing.length === 0 ? [] : [missingWords(missing, nLayers)])], page),
  ];
  return titled(description, lines, page);
}

function missingWords(missing: readonly number[], nLayers: number): string {
  const layers = missing.length === 1 ? `layer ${missing[0]} has` : `layers ${missing.join(", ")} have`;
  return `${layers} no transcoder (of ${nLayers}): all that these MLPs write counts as error`;
}
