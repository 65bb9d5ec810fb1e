/**
 * The report's entry in the module: what it needs is imported when it is called.
 *
 * @module
 */
import type { Attribution } from "../attribution/result/result.ts";
import type { ReportDataOptions } from "./report_data.ts";

type Html = typeof import("./html.ts");

/**
 * An attribution as one self-contained HTML page: the prompt's tokens in the colour of their attribution, the next-token
 * table, bars per position, the strongest features with a card each, the long table, and how it all adds up. It needs
 * no network; a feature's Neuronpedia dashboard is loaded when it is opened. The model and the SAEs must still be open.
 *
 * @throws {RangeError | Error} if the model or an SAE has been closed
 *
 * @example
 * ```ts
 * import { calculateFeatureAttribution } from "../attribution/attribution.ts";
 * import { logitDiff } from "../attribution/metric/metrics.ts";
 * import { loadModel } from "../model/model.ts";
 * import { loadSae } from "../sae/load.ts";
 * import { toHtml } from "./to_html.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const html = await toHtml(result, { cards: 20 });
 * console.assert(html.startsWith("<!DOCTYPE html>"));
 * ```
 */
export async function toHtml(result: Attribution, options: ReportDataOptions = {}): Promise<string> {
  const { attributionHtml } = await import(new URL("./html.ts", import.meta.url).href) as Html;
  return await attributionHtml(result, options);
}
