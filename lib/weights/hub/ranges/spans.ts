/**
 * Which bytes of a file are there.
 *
 * @module
 */

/** Bytes from the first to before the second number. */
export type Span = readonly [start: number, end: number];

/** Adds a span to spans that are ascending and apart; so is the result. */
export function addSpan(spans: readonly Span[], [start, end]: Span): Span[] {
  if (start >= end) return [...spans];
  const before = spans.filter((span) => span[1] < start);
  const after = spans.filter((span) => span[0] > end);
  const touching = spans.slice(before.length, spans.length - after.length);
  const joined: Span = [Math.min(start, touching[0]?.[0] ?? start), Math.max(end, touching.at(-1)?.[1] ?? end)];
  return [...before, joined, ...after];
}

/** What of a span is not in spans that are ascending and apart. */
export function missingSpans(spans: readonly Span[], [start, end]: Span): Span[] {
  const missing: Span[] = [];
  let at = start;
  for (const [from, to] of spans) {
    if (to <= at) continue;
    if (from >= end) break;
    if (from > at) missing.push([at, from]);
    at = to;
  }
  if (at < end) missing.push([at, end]);
  return missing;
}

/** Whether a value is a list of spans, ascending and apart, of a file of `size` bytes. */
export function areSpans(value: unknown, size: number): value is Span[] {
  if (!Array.isArray(value)) return false;
  let last = -1;
  return value.every((span) => {
    if (!Array.isArray(span) || span.length !== 2 || !span.every(Number.isSafeInteger)) return false;
    const [start, end] = span;
    const isNext = start > last && end > start && end <= size;
    last = end;
    return isNext;
  });
}
