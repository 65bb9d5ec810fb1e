const MAX_LENGTH = 200;
const MAX_CANDIDATES = 10_000;

/**
 * The names that differ least from a misspelt one, best first.
 *
 * @example
 * ```ts
 * console.log(nearestNames("wte.wieght", ["wpe.weight", "wte.weight", "ln_f.bias"], 2)); // ["wte.weight", "wpe.weight"]
 * ```
 */
export function nearestNames(name: string, candidates: Iterable<string>, count: number = 3): string[] {
  const scored: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    if (scored.length === MAX_CANDIDATES) break;
    scored.push({ candidate, distance: editDistance(name.slice(0, MAX_LENGTH), candidate.slice(0, MAX_LENGTH)) });
  }
  return scored.sort((a, b) => a.distance - b.distance).slice(0, count).map(({ candidate }) => candidate);
}

/** Levenshtein distance, one row of the table at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
