/** Rows of two runs of the same question. */
import assert from "node:assert/strict";

/** A row of the long table. */
export interface Row {
  readonly position: number;
  readonly feature: number;
  readonly attribution: number;
}

/**
 * Compares rows with the command line's.
 *
 * @param isSame whether both ran the same kernels: then every bit is the same, and the order; else a number may differ by
 *   1e-5 of the largest
 */
export function compareRows(found: readonly Row[], expected: readonly Row[], isSame: boolean): void {
  const plain = ({ position, feature, attribution }: Row): number[] => [position, feature, Math.fround(attribution)];
  if (isSame) return assert.deepEqual(found.map(plain), expected.map(plain));
  const keyOf = ({ position, feature }: Row): string => `${position} ${feature}`;
  const byKey = new Map(found.map((row) => [keyOf(row), row.attribution]));
  assert.equal(found.length, expected.length);
  const largest = Math.max(...expected.map(({ attribution }) => Math.abs(attribution)));
  for (const row of expected) {
    const attribution = byKey.get(keyOf(row));
    assert.ok(attribution !== undefined, `no row ${keyOf(row)}`);
    assert.ok(Math.abs(attribution - row.attribution) <= 1e-5 * largest, `${keyOf(row)}: ${attribution}`);
  }
}
