import assert from "node:assert/strict";
import { add, constant, type Graph, graphKey, input, mul, reduceSum, slice, type Value } from "../../lib/graph/mod.ts";
import { NO_PROCESSING } from "../../models/family.ts";
import { openArchitecture } from "../../models/mod.ts";
import { MODELS, readConfig } from "../models/open.ts";

const x = (): Value => input("x", ["n", 4]);

Deno.test("graphs have one key exactly if they compute the same", () => {
  const shared = x();
  const graphs: Record<string, () => Graph> = {
    "x + 1": () => ({ y: add(x(), 1) }),
    "x · 1": () => ({ y: mul(x(), 1) }),
    "x + 2": () => ({ y: add(x(), 2) }),
    "x − 0": () => ({ y: add(x(), constant(-0)) }),
    "x + 0": () => ({ y: add(x(), constant(0)) }),
    "x + ∞": () => ({ y: add(x(), constant(Infinity)) }),
    "x + NaN": () => ({ y: add(x(), constant(NaN)) }),
    "of another input": () => ({ y: add(input("z", ["n", 4]), 1) }),
    "of another size": () => ({ y: add(input("x", ["n", 5]), 1) }),
    "of another name": () => ({ z: add(x(), 1) }),
    "of another order": () => ({ y: add(constant(1), x()) }),
    "two outputs": () => ({ y: add(shared, 1), z: shared }),
    "the other two": () => ({ y: shared, z: add(shared, 1) }),
    "over axis 0": () => ({ y: reduceSum(x(), [0], false) }),
    "over axis 1": () => ({ y: reduceSum(x(), [1], false) }),
    "kept": () => ({ y: reduceSum(x(), [1], true) }),
    "first half": () => ({ y: slice(x(), 1, 0, 2) }),
    "second half": () => ({ y: slice(x(), 1, 2, 4) }),
    "nothing": () => ({}),
  };
  const names = Object.keys(graphs);
  assert.equal(new Set(names.map((name) => graphKey(graphs[name]()))).size, names.length);
  for (const name of names) assert.equal(graphKey(graphs[name]()), graphKey(graphs[name]()), name);
});

Deno.test("blocks of one kind have one graph, in every family", async () => {
  for (const model of MODELS) {
    const architecture = await openArchitecture(readConfig(model));
    for (const foldLn of [true, false]) {
      const keys = new Map<string, string>();
      for (let layer = 0; layer < architecture.config.nLayers; layer++) {
        const { output, hooks } = architecture.block(layer, {
          processing: { ...NO_PROCESSING, foldLn },
          selectRows: false,
        });
        const [kind, key] = [architecture.blockKind(layer), graphKey({ ...hooks, output })];
        assert.equal(keys.get(kind) ?? key, key, `${model}, layer ${layer}`);
        keys.set(kind, key);
      }
    }
  }
});
