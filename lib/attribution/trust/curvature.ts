/**
 * How far the metric is from being linear in single features: the change of the gradient on the way to where they are
 * removed, and the second-order estimate of their effects.
 *
 * @module
 */
import { gradientsAtOnce, gradientsTogether } from "../change/gradients.ts";
import type { RunParts } from "../change/rerun.ts";
import type { AttributionRow } from "../result/sae_attribution.ts";
import { contributionGroups } from "../run/contributions.ts";
import type { SaeRun } from "../run/sae_hooks.ts";

/** What the gradient does on the way to a feature's removal. */
export interface Curvature {
  /** w · (g here − g where the feature is removed, or at its baseline), in the units of the row's gradient. */
  readonly curvature: number;
  /**
   * f · (g here + g where it is removed) · w / 2, by the trapezoid rule: f·g·w − ½ f² w'Hw with the Hessian H taken as a
   * finite difference over the whole way.
   */
  readonly secondOrder: number;
}

/**
 * The curvature of single rows, a pass forward and back for each. With `together`, those of different positions, one at
 * each, share a pass: some hundred rows cost a few dozen passes, and what two features of one pass do together is counted
 * as each one's own.
 *
 * Gradients are plain ones, whatever the method; SAEs further up add what they added in the run.
 *
 * @returns in the order of the rows
 */
export async function curvatures(
  parts: RunParts,
  run: SaeRun,
  rows: readonly AttributionRow[],
  { together = false }: { readonly together?: boolean } = {},
): Promise<Curvature[]> {
  const groups = together ? onePerPosition(rows) : rows.map((_, i) => [i]);
  const changes = groups.map((group) =>
    group.map((i) => ({ ...rows[i], by: (rows[i].baseline ?? 0) - rows[i].activation }))
  );
  const found = new Array<Curvature>(rows.length);
  const most = Math.max(1, gradientsAtOnce(parts) - 1); // and one without a change
  let batch: Float32Array[] = [];
  let first = 0;
  const measure = async (): Promise<void> => {
    const changed = [...batch, new Float32Array(batch[0].length)];
    const gradients = (await gradientsTogether(parts, run.sae.hookOut, changed)).map(({ gradient }) => gradient);
    const here = gradients[batch.length];
    const width = here.length / run.encoded.activations.rows;
    batch.forEach((change, at) => {
      for (const i of groups[first + at]) {
        const { position, activation, baseline = 0 } = rows[i];
        let [before, after] = [0, 0]; // change · gradient; the change is −f · w
        for (let j = position * width; j < (position + 1) * width; j++) {
          before -= change[j] * here[j];
          after -= change[j] * gradients[at][j];
        }
        found[i] = {
          curvature: activation === baseline ? 0 : (before - after) / (activation - baseline),
          secondOrder: (before + after) / 2,
        };
      }
    });
    first += batch.length;
    batch = [];
  };
  for await (const change of contributionGroups(run, changes)) {
    batch.push(change);
    if (batch.length >= most) await measure();
  }
  if (batch.length > 0) await measure();
  return found;
}

/** The strongest row of every position, then the second … */
function onePerPosition(rows: readonly AttributionRow[]): number[][] {
  const strongestFirst = [...rows.keys()].sort((a, b) => Math.abs(rows[b].attribution) - Math.abs(rows[a].attribution));
  const atPositions = [...Map.groupBy(strongestFirst, (i) => rows[i].position).values()];
  const count = Math.max(0, ...atPositions.map(({ length }) => length));
  return Array.from({ length: count }, (_, k) => atPositions.flatMap((at) => at.slice(k, k + 1)));
}
