import assert from "node:assert/strict";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff, type Model, type Sae } from "../../../mod.ts";
import { type Graph, graphInputs } from "../../../lib/graph/mod.ts";
import { DATA } from "../golden.ts";

/** What a graph is of: an encoder may be read in parts, and its activation function ends it. */
function kindOf(graph: Graph): "forward" | "backward" | "sae" | undefined {
  if (Object.hasOwn(graph, "activations")) return "sae";
  const names = [...graphInputs(graph).keys()];
  if (!names.includes("resid") && !names.includes("tokens")) return undefined;
  return names.some((name) => name === "gradient" || name.startsWith("seed:")) ? "backward" : "forward";
}

/** How often a run's sessions run: of the model forward and backward, and of SAEs. */
async function countRuns(
  model: Model,
  saes: readonly Sae[],
  includeErrorTerm: boolean,
): Promise<{ forward: number; backward: number; sae: number }> {
  const runs = { forward: 0, backward: 0, sae: 0 };
  const original = model.runtime.session;
  model.runtime.session = async (graph) => {
    const session = await original.call(model.runtime, graph);
    const kind = kindOf(graph);
    return {
      inputNames: session.inputNames,
      run(inputs) {
        if (kind !== undefined) runs[kind]++;
        return session.run(inputs);
      },
    };
  };
  try {
    const result = await calculateFeatureAttribution(model, [0, 341, 348, 304, 347], logitDiff(364, 296), {
      saes,
      includeErrorTerm,
      processing: "default", // not guessed: these random SAEs fit so badly that the other form would be tried
    });
    assert.equal(result.hooks.length, saes.length);
    return runs;
  } finally {
    model.runtime.session = original;
  }
}

Deno.test("three SAEs cost no more passes than the one at the lowest hook", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  const open = (name: string): Promise<Sae> => loadSae(new URL(`saes/${name}/`, DATA));
  await using lowest = await open("g-avg-pre1");
  await using inside = await open("g-std-z1");
  await using highest = await open("g-std-pre2");
  const { nLayers } = model.architecture.config;
  const stages = nLayers + 2;
  for (const includeErrorTerm of [true, false]) {
    const one = await countRuns(model, [lowest], includeErrorTerm);
    // Backward: the final norm and the blocks down to the lowest hook, block 1's input.
    assert.deepEqual(one, { forward: stages, backward: 1 + nLayers - 1, sae: 1 });
    // Replacing a value inside a block needs the part of that block before it, once.
    const three = await countRuns(model, [lowest, inside, highest], includeErrorTerm);
    assert.deepEqual(three, { forward: stages + (includeErrorTerm ? 0 : 1), backward: one.backward, sae: 3 });
  }
});
