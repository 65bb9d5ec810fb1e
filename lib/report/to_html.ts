/**
 * The report's entry in the module: what it needs is imported when it is called. In Deno's Jupyter kernel a result shows
 * itself as the report in a frame of its own.
 *
 * @module
 */
import type { ReportDataOptions } from "./report_data.ts";
import { Attribution } from "../attribution/result/result.ts";

type Html = typeof import("./html.ts");
type Data = typeof import("./data.ts");

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
  const { reportData } = await import(new URL("./data.ts", import.meta.url).href) as Data;
  const { dataHtml } = await import(new URL("./html.ts", import.meta.url).href) as Html;
  return await dataHtml(await reportData(result, options));
}

/** What a Jupyter front end chooses from, by media type. */
export interface MediaBundle {
  /** The report in a frame. */
  readonly "text/html": string;
  /** One line. */
  readonly "text/plain": string;
}

/** Fewer features have a card here than in a file: notebooks keep what they show. */
const CARDS = 40;

/**
 * A result as Jupyter displays it. The frame may run the report's script and nothing of the notebook's.
 *
 * @example
 * ```ts
 * import { calculateFeatureAttribution } from "../attribution/attribution.ts";
 * import { logitDiff } from "../attribution/metric/metrics.ts";
 * import { loadModel } from "../model/model.ts";
 * import { loadSae } from "../sae/load.ts";
 * import { displayed } from "./to_html.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * console.assert((await displayed(result))["text/html"].startsWith("<iframe"));
 * ```
 */
export async function displayed(result: Attribution): Promise<MediaBundle> {
  const page = (await toHtml(result, { cards: CARDS })).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  const frame = 'title="Feature attribution" sandbox="allow-scripts allow-downloads allow-popups" ' +
    'style="width: 100%; height: 800px; border: 0"';
  return { "text/html": `<iframe ${frame} srcdoc="${page}"></iframe>`, "text/plain": plainText(result) };
}

function plainText({ metric, parts: { metricName, saes } }: Attribution): string {
  const rows = [...saes].map(([hook, sae]) => `${sae.rows.length} rows at ${hook}`).join(", ");
  return `Attribution { ${metricName}: ${metric.toPrecision(6)}, ${rows} }`;
}

Object.defineProperty(Attribution.prototype, Symbol.for("Jupyter.display"), {
  configurable: true,
  value(this: Attribution): Promise<MediaBundle> {
    return displayed(this);
  },
});
