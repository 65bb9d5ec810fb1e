/**
 * Splitting a piece where a pattern fits.
 *
 * @module
 */
import { type Finder, type Piece, slicePiece } from "./piece.ts";

/** What becomes of what the pattern fits: `SplitDelimiterBehavior` of tokenizers. */
export const SPLIT_BEHAVIORS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;

/** One of them. */
export type SplitBehavior = typeof SPLIT_BEHAVIORS[number];

interface Stretch {
  start: number;
  end: number;
  readonly isMatch: boolean;
}

/** Splits a piece; with `invert`, at what the pattern does not fit. */
export function splitPiece(piece: Piece, find: Finder, behavior: SplitBehavior, invert = false): Piece[] {
  const { text } = piece;
  const found = find(text);
  const stretches: Stretch[] = [];
  let from = 0;
  for (let i = 0; i < found.length; i += 2) {
    if (found[i] > from) stretches.push({ start: from, end: found[i], isMatch: invert });
    stretches.push({ start: found[i], end: found[i + 1], isMatch: !invert });
    from = found[i + 1];
  }
  if (from < text.length) stretches.push({ start: from, end: text.length, isMatch: invert });
  const kept = behavior === "Isolated" ? stretches : joined(stretches, behavior);
  return kept.filter(({ start, end }) => end > start).map(({ start, end }) => slicePiece(piece, start, end));
}

function joined(stretches: Stretch[], behavior: Exclude<SplitBehavior, "Isolated">): Stretch[] {
  switch (behavior) {
    case "Removed":
      return stretches.filter(({ isMatch }) => !isMatch);
    case "Contiguous":
      return join(stretches, (isMatch, wasMatch) => isMatch === wasMatch);
    case "MergedWithPrevious":
      return join(stretches, (isMatch, wasMatch) => isMatch && !wasMatch);
    case "MergedWithNext":
      return join(stretches.reverse(), (isMatch, wasMatch) => isMatch && !wasMatch).reverse();
  }
}

/** Joins neighbours; before the first one there is no match. */
function join(stretches: readonly Stretch[], belong: (isMatch: boolean, wasMatch: boolean) => boolean): Stretch[] {
  const made: Stretch[] = [];
  let wasMatch = false;
  for (const one of stretches) {
    const last = made.at(-1);
    if (last && belong(one.isMatch, wasMatch)) {
      last.start = Math.min(last.start, one.start);
      last.end = Math.max(last.end, one.end);
    } else made.push({ ...one });
    wasMatch = one.isMatch;
  }
  return made;
}
