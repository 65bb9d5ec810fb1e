/**
 * The parts of a result that run the model again.
 *
 * @module
 */
import { type ChangeParts, h } from "../../../report/client/mod.ts";
import type { ReportData } from "../../../report/report_data.ts";
import type { Engine, EngineBody } from "../engine.ts";
import { featureChanges } from "./feature_view.ts";
import { questionBody, targetOf } from "./question.ts";
import { setPart } from "./set_view.ts";

/** What the parts of one result are about. */
export interface ChangedResult {
  readonly engine: Pick<Engine, "steer" | "select">;
  /** The body of its attribution. */
  readonly body: EngineBody;
  /** Whether next tokens were computed: without them they would be a download that nobody asked for. */
  readonly hasTable: boolean;
  /** Of the moment: aborted when another question runs. */
  readonly signal: () => AbortSignal;
}

/** Each part is made once, so that what it shows stays when all is drawn anew. */
export function changeParts({ engine, body, hasTable, signal }: ChangedResult): ChangeParts {
  const made = new Map<string, HTMLElement>();
  const once = (key: string, data: ReportData, make: (question: EngineBody) => HTMLElement): HTMLElement => {
    const question = questionBody(body, data);
    if (question === undefined) {
      return h("p", { class: "muted" }, "Choose a token of the answer first: each has a metric of its own.");
    }
    const whole = `${targetOf(data)?.position} ${key}`;
    const part = made.get(whole) ?? make(question);
    made.set(whole, part);
    return part;
  };
  return {
    feature: (data, sae, feature) =>
      hasTable
        ? once(
          `${sae} ${feature}`,
          data,
          (question) => featureChanges({ engine, question, signal }, data, { sae, feature }),
        )
        : h("p", { class: "muted" }, "To change it, show the most probable next tokens first."),
    set: (data, sae, onFeature) =>
      once(`${sae}`, data, (question) => setPart({ engine, question, signal }, data, sae, onFeature)),
  };
}
