/** The prompts that are measured, the same for all programs. */

/** Token ids of " Tiger Woods plays the sport of", BOS first. */
const TIGER_WOODS = [50256, 17030, 16483, 5341, 262, 6332, 286];
/** " golf" and " tennis". */
export const ANSWERS = { positive: 13126, negative: 20790 } as const;

/** A prompt of so many tokens; with 7 it is the notebook's. */
export function promptOf(tokens: number): number[] {
  if (tokens === TIGER_WOODS.length) return TIGER_WOODS;
  return [50256, ...Array.from({ length: tokens - 1 }, (_, i) => 1000 + i)];
}

const [SHORTEST, LONGEST] = [4, 64];

/** So many prompts of mixed lengths, 4 to 64 tokens, each length about as often as the others, no two alike. */
export function mixedPrompts(count: number): number[][] {
  const lengths = LONGEST - SHORTEST + 1;
  return Array.from({ length: count }, (_, p) => {
    const tokens = SHORTEST + (p * 23 + 60) % lengths; // 23 and 61 have no common divisor; the first is the longest
    return [50256, ...Array.from({ length: tokens - 1 }, (_, i) => 1000 + (p * 97 + i) % 40000)];
  });
}
