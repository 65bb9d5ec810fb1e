/**
 * Putting exact effects in the place of estimates; imported only where it is asked for.
 *
 * @module
 */
import { effectsOfChanges, singleAblations } from "../change/ablation.ts";
import type { RunParts } from "../change/rerun.ts";
import { activeRows, type AttributionRow, inOrder, type SaeAttribution } from "../result/sae_attribution.ts";
import { curvatures } from "../trust/curvature.ts";
import type { ExactOptions } from "./ablation.ts";
import type { Method } from "./method.ts";

/** What is asked for, and whom to tell how far it is. */
export interface ExactRequest extends ExactOptions {
  readonly method: Method;
  /** How many exact effects are known, and of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A row at the SAE of a hook. */
interface Place {
  readonly hook: string;
  readonly row: AttributionRow;
}

/** The same SAEs with rows that are exact, or know their curvature. */
export async function withExactRows(
  parts: RunParts,
  saes: ReadonlyMap<string, SaeAttribution>,
  request: ExactRequest,
): Promise<Map<string, SaeAttribution>> {
  const { method, refine = 0, curvature = 0 } = request;
  const lastRow = Math.max(...parts.grads.rows);
  const places = [...saes].flatMap(([hook, sae]): Place[] => {
    // Nothing after the metric's last row reaches it.
    const rows = method.exact ? activeRows(sae).filter(({ position }) => position <= lastRow) : sae.rows;
    return rows.map((row) => ({ hook, row }));
  });
  const chosen = method.exact
    ? strongest(places, request.rows ?? Infinity)
    : refine > 0
    ? await toRefine(parts, saes, refine)
    : [];
  const effects = await effectsWithin(parts, chosen, request);
  const curved = curvature > 0 ? await ownCurvatures(parts, saes, places, curvature) : new Map();
  return new Map([...saes].map(([hook, sae]) => {
    const rows = places.filter((place) => place.hook === hook).map(({ row }): AttributionRow => {
      const effect = effects.get(row);
      return { ...row, ...(effect === undefined ? {} : { attribution: effect, exact: true }), ...curved.get(row) };
    });
    return [hook, { ...sae, rows: inOrder(rows) }];
  }));
}

function strongest(places: readonly Place[], count: number): Place[] {
  const size = ({ row }: Place): number => Math.abs(row.attribution);
  return places.toSorted((a, b) => size(b) - size(a)).slice(0, count);
}

/** At every SAE the strongest rows, and those of the others that are furthest from their second-order estimate. */
async function toRefine(
  parts: RunParts,
  saes: ReadonlyMap<string, SaeAttribution>,
  count: number,
): Promise<Place[]> {
  const chosen: Place[] = [];
  for (const [hook, { run, rows }] of saes) {
    const sorted = strongest(rows.map((row) => ({ hook, row })), Infinity);
    const others = sorted.slice(count).map(({ row }) => row);
    const found = others.length > count ? await curvatures(parts, run, others, { together: true }) : [];
    const off = (i: number): number => Math.abs(others[i].attribution - found[i].secondOrder);
    const unreliable = found.length === 0 ? others.keys() : [...others.keys()].sort((a, b) => off(b) - off(a));
    chosen.push(...sorted.slice(0, count));
    chosen.push(...[...unreliable].slice(0, count).map((i) => ({ hook, row: others[i] })));
  }
  return chosen;
}

async function ownCurvatures(
  parts: RunParts,
  saes: ReadonlyMap<string, SaeAttribution>,
  places: readonly Place[],
  count: number,
): Promise<Map<AttributionRow, { curvature: number; secondOrder: number }>> {
  const found = new Map<AttributionRow, { curvature: number; secondOrder: number }>();
  for (const [hook, { run }] of saes) {
    const rows = strongest(places.filter((place) => place.hook === hook), count).map(({ row }) => row);
    (await curvatures(parts, run, rows)).forEach((one, i) => found.set(rows[i], one));
  }
  return found;
}

/** With a budget, so many rows tell how long one takes. */
const FIRST_ROWS = 16;
/** Of the time that is left, this part is planned with. */
const PLANNED = 0.9;

/** Exact effects of rows in their order, as far as the budget goes. */
async function effectsWithin(
  parts: RunParts,
  places: readonly Place[],
  { budget, onProgress }: ExactRequest,
): Promise<Map<AttributionRow, number>> {
  const effects = new Map<AttributionRow, number>();
  const start = performance.now();
  let count = budget === undefined ? places.length : FIRST_ROWS;
  while (effects.size < places.length && count > 0) {
    const before = effects.size;
    const some = places.slice(before, before + count);
    for (const [hook, at] of Map.groupBy(some, ({ hook }) => hook)) {
      const done = effects.size;
      const found = await effectsOfChanges(parts, hook, singleAblations(at.map(({ row }) => row)), {
        onProgress: (more) => onProgress?.(done + more, places.length),
      });
      at.forEach(({ row }, i) => effects.set(row, found[i]));
    }
    const seconds = (performance.now() - start) / 1000;
    count = Math.floor(PLANNED * (budget! - seconds) * effects.size / seconds);
  }
  return effects;
}
