/**
 * Sets of characters as ranges of code points.
 *
 * @module
 */

/** First and last code points, one range after another. */
export type CharacterRanges = Uint32Array;

/** From numbers in base 36: how far after the last range the next one starts, and how much longer than 1 it is. */
export function decode(text: string): () => CharacterRanges {
  let made: CharacterRanges | undefined;
  return () => {
    let last = 0;
    return made ??= Uint32Array.from(text.split(" "), (number) => last += parseInt(number, 36));
  };
}

/** Whether a code point is in one of the ranges. */
export function isIn(ranges: CharacterRanges, character: number): boolean {
  let [low, high] = [0, ranges.length / 2];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (character > ranges[2 * middle + 1]) low = middle + 1;
    else high = middle;
  }
  return 2 * low < ranges.length && character >= ranges[2 * low];
}
