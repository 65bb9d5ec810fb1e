/**
 * What `evaluate` does once its command line is understood.
 *
 * @module
 */
import {
  evaluateFaithfulness,
  type FaithfulnessCurves,
  type FaithfulnessPoint,
} from "../../../attribution/trust/faithfulness.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import type { EvaluateRequest } from "../../commands/trust/evaluate.ts";
import { runAttribution } from "../explain/attribution.ts";
import { explainedWords } from "../../screen/summary.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { readPrompt } from "../../args/prompt.ts";
import { count, signed } from "../../../report/figures.ts";
import { bars, entry, heading, type Page } from "../../screen/summary_layout.ts";
import { writeTable } from "../../screen/write_table.ts";

/** Evaluates and writes what was asked for. */
export async function evaluate(request: EvaluateRequest): Promise<void> {
  const { counts, ablation, order, downstreamError, quiet } = request;
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown(request, screen);
  const { result, curves } = await withProgress(screen, "evaluating", async () => {
    const result = await runAttribution(opened, { prompt }, request, { diagnose: !quiet });
    return { result, curves: await evaluateFaithfulness(result, { counts, ablation, order, downstreamError }) };
  });
  if (!quiet) {
    const about = await explainedWords(result, request, screen);
    const plots = curves.flatMap((one) => plot(one, request, curves.length > 1, screen));
    await printNote([about, ...plots].join("\n\n") + "\n\n");
  }
  await writeTable(curveTable(curves), request.destination, "faithfulness");
}

/** The long table: one row per SAE, mode and K. */
function curveTable(curves: readonly FaithfulnessCurves[]): Table {
  const isOne = curves.length === 1;
  const rows = curves.flatMap(({ hook, nodes, points }) =>
    points.map(({ mode, k, metric, faithfulness }): Cell[] => [
      ...(isOne ? [] : [hook]),
      mode,
      k,
      nodes,
      Math.fround(metric),
      faithfulness === null ? null : Math.fround(faithfulness),
    ])
  );
  return { columns: [...(isOne ? [] : ["hook"]), "mode", "k", "nodes", "metric", "faithfulness"], rows };
}

function plot(
  { hook, nodes, metricAll, metricNone, points, area }: FaithfulnessCurves,
  { ablation, includeErrorTerm }: EvaluateRequest,
  areSeveral: boolean,
  page: Page,
): string[] {
  const place = areSeveral ? ` at ${printable(hook)}` : "";
  if (nodes === 0) return [heading(`No feature is active${place}`, page)];
  const share = (value: number | null): string => value === null ? "none" : value.toFixed(3);
  const to = ablation === "zero" ? "0" : "their means";
  const error = includeErrorTerm ? "kept" : "dropped";
  const words =
    `${count(nodes, "feature")} at positions${place}; ablated: set to ${to}; SAE error ${error}; metric with all ` +
    `${signed(metricAll)}, with none ${signed(metricNone)}`;
  const areas = `mean over ln K: ${share(area.keep)} keeping (1 is best), ${share(area.ablate)} ablating (0 is best)`;
  return [
    `${heading(`The metric with only the K strongest${place} kept`, page)}\n${lines(points, "keep", page)}`,
    `${heading(`The metric with only the K strongest${place} ablated`, page)}\n${lines(points, "ablate", page)}`,
    [entry("Curves", words.split(" "), page), entry("Faithful", areas.split(" "), page)].join("\n"),
  ];
}

function lines(points: readonly FaithfulnessPoint[], mode: FaithfulnessPoint["mode"], page: Page): string {
  const curve = points.filter((point) => point.mode === mode);
  const items = curve.map(({ k, metric, faithfulness }) => {
    const share = faithfulness === null ? "" : `  faithfulness ${faithfulness.toFixed(3)}`;
    return { value: metric, text: `K = ${String(k).padEnd(String(curve[curve.length - 1].k).length)}${share}` };
  });
  return bars(items, page);
}
