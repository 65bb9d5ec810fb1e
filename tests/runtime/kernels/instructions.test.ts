import assert from "node:assert/strict";
import {
  INSTRUCTIONS,
  isSharedAt,
  kindAt,
  KINDS,
  nextAt,
  operandsAt,
  takeUnit,
  wordsOf,
} from "../../../lib/runtime/kernels/instructions.ts";
import { uniform } from "../../graph/numbers.ts";

Deno.test("what is read from an instruction is what was written, by name, one instruction after another", () => {
  const random = uniform(91);
  const number = (): number => Math.floor((random() - 0.5) * 2 ** 32);
  const written = Array.from({ length: 40 }, (_, i) => {
    const kind = KINDS[i % KINDS.length];
    const { fields, lists }: { fields: readonly string[]; lists: readonly string[] } = INSTRUCTIONS[kind];
    const rank = lists.length > 0 ? Math.floor(random() * 4) : 0;
    return {
      kind,
      rank,
      isShared: random() < 0.5,
      fields: Object.fromEntries(fields.map((name) => [name, number()])),
      lists: Object.fromEntries(lists.map((name) => [name, Array.from({ length: rank }, number)])),
    };
  });
  assert.deepEqual(new Set(written.map(({ kind }) => kind)), new Set(KINDS));
  const words = Int32Array.from(written.flatMap((instruction) => wordsOf(instruction)));
  let at = 0;
  for (const { kind, rank, isShared, fields, lists } of written) {
    assert.equal(kindAt(words, at), kind);
    assert.equal(isSharedAt(words, at), isShared);
    assert.deepEqual([0, 1, 2].map(() => takeUnit(words, at)), [0, 1, 2]);
    const found: Readonly<Record<string, number>> = operandsAt(kind, words, at);
    assert.equal(found.rank, rank);
    for (const [name, value] of Object.entries(fields)) assert.equal(found[name], value, `${name} of ${kind}`);
    for (const [name, list] of Object.entries(lists)) {
      assert.deepEqual([...words.subarray(found[name], found[name] + rank)], list, `${name} of ${kind}`);
    }
    at = nextAt(words, at);
  }
  assert.equal(at, words.length);
});
