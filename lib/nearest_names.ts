const MAX_LENGTH = 200;
const MAX_CANDIDATES = 10_000;

/**
 * The names that a misspelt one may stand for, best first: those that it begins or is a part of, for it may be cut short,
 * and then those that differ least.
 */
export function nearestNames(name: string, candidates: Iterable<string>, count: number = 3): string[] {
  const scored: { candidate: string; part: number; distance: number }[] = [];
  for (const candidate of candidates) {
    if (scored.length === MAX_CANDIDATES) break;
    const distance = editDistance(name.slice(0, MAX_LENGTH), candidate.slice(0, MAX_LENGTH));
    scored.push({ candidate, part: partOf(name, candidate), distance });
  }
  return scored.sort((a, b) => a.part - b.part || a.distance - b.distance).slice(0, count).map(({ candidate }) =>
    candidate
  );
}

/**
 * The nearest name as {@linkcode nearestNames} finds it, where about half of it is the same or there is no other: what is
 * further away was not meant.
 */
export function meantName(name: string, candidates: Iterable<string>): string | undefined {
  const names = [...candidates];
  const [nearest] = nearestNames(name, names, 1);
  if (names.length < 2 || partOf(name, nearest) < 2) return nearest;
  const distance = editDistance(name.slice(0, MAX_LENGTH).toLowerCase(), nearest.toLowerCase());
  return 2 * distance <= nearest.length + 1 ? nearest : undefined; // letters that changed places are two changes
}

/** 0 for the beginning of a name, 1 for another part of it, 2 for neither; single letters say nothing. */
function partOf(name: string, candidate: string): number {
  if (name.length < 2) return 2;
  return candidate.startsWith(name) ? 0 : candidate.includes(name) ? 1 : 2;
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
