/**
 * A text on its way to a model: in pieces, which are normalized and split where a pattern fits.
 *
 * @module
 */

/** A piece of a text. */
export interface Piece {
  readonly text: string;
  /**
   * How many of its first UTF-16 code units stand for the first character of the whole text; Metaspace puts its mark only
   * there if its scheme is `first`.
   */
  readonly fromStart: number;
}

/** All of a text. */
export function wholePiece(text: string): Piece {
  return { text, fromStart: text.codePointAt(0)! > 0xffff ? 2 : Math.min(1, text.length) };
}

/** A part of a piece. */
export function slicePiece({ text, fromStart }: Piece, start: number, end: number): Piece {
  return { text: text.slice(start, end), fromStart: Math.max(0, Math.min(fromStart, end) - start) };
}

/** A text put in front. */
export function prependTo({ text, fromStart }: Piece, before: string): Piece {
  if (text === "") return { text, fromStart };
  return { text: before + text, fromStart: fromStart > 0 ? before.length + fromStart : 0 };
}

/** A function on texts, which makes of a text's beginning the beginning of what it makes. */
export function mapPiece({ text, fromStart }: Piece, map: (text: string) => string): Piece {
  return { text: map(text), fromStart: map(text.slice(0, fromStart)).length };
}

/** What a pattern finds: starts and ends, one after another. */
export type Finder = (text: string) => readonly number[];

/** Every place where a text stands, from left to right. */
export function textFinder(wanted: string): Finder {
  return (text) => {
    const found: number[] = [];
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      found.push(at, at + wanted.length);
    }
    return found;
  };
}

/** Every character of a set. */
export function characterFinder(has: (character: number) => boolean): Finder {
  return (text) => {
    const found: number[] = [];
    for (let at = 0; at < text.length;) {
      const character = text.codePointAt(at)!;
      const end = at + (character > 0xffff ? 2 : 1);
      if (has(character)) found.push(at, end);
      at = end;
    }
    return found;
  };
}

/** What becomes of what the pattern fits: `SplitDelimiterBehavior` of tokenizers. */
export const SPLIT_BEHAVIORS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;

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
