import assert from "node:assert/strict";
import { type OpKind, reachable, RULES, type Value, vjp } from "../../lib/graph/mod.ts";
import { createRuntime } from "../../lib/runtime/runtime.ts";
import { cotangent, cotangentFeeds, cotangents, gradientErrors, TOLERANCE } from "./differences.ts";
import { buildCase, RULE_CASES } from "./rule_cases.ts";

const KINDS = Object.keys(RULES) as OpKind[];

Deno.test("every rule has cases that hold its op", () => {
  for (const kind of KINDS) {
    assert.ok(RULE_CASES[kind]?.length > 0, `no case for ${kind}`);
    for (const ruleCase of RULE_CASES[kind]) {
      const { output } = buildCase(ruleCase, 1);
      assert.ok(reachable([output]).some(({ op }) => op.kind === kind), `${kind} ${ruleCase.name} has no ${kind}`);
    }
  }
});

Deno.test("rules agree with central differences, and so do the derivatives of their derivatives", async () => {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const worst = new Map<string, [number, number]>();
  for (const kind of KINDS) {
    for (const [i, ruleCase] of RULE_CASES[kind].entries()) {
      const { output, inputs, feeds } = buildCase(ruleCase, 1000 * KINDS.indexOf(kind) + i);
      const names = inputs.map(({ op }) => op.kind === "Input" ? op.name : "");
      const first = await gradientErrors(runtime, { outputs: [output], wrt: inputs, moved: names, feeds });
      const duals = cotangents([output]).map((dual) => ({ ...dual, op: { kind: "Input", name: "dual" } }) as Value);
      const gradients = vjp([output], duals, inputs).filter((g) => g !== undefined);
      const second = gradients.length === 0 ? new Map<string, number>() : await gradientErrors(runtime, {
        outputs: gradients,
        wrt: [...inputs, ...duals],
        moved: [...names, "dual"],
        feeds: { ...feeds, dual: cotangentFeeds([output], i)[cotangent(0)] },
        directional: true,
      });
      for (const [order, errors] of [["first", first], ["second", second]] as const) {
        for (const [name, error] of errors) {
          assert.ok(error <= TOLERANCE, `${kind} ${ruleCase.name}, ${order} derivative by ${name}: ${error}`);
        }
      }
      const [a, b] = worst.get(kind) ?? [0, 0];
      worst.set(kind, [Math.max(a, ...first.values()), Math.max(b, ...second.values())]);
    }
  }
  const figures = [...worst].map(([kind, errors]) => `${kind} ${errors.map((e) => e.toExponential(0)).join("/")}`);
  console.log(`worst relative errors, first/second derivative: ${figures.join(", ")}`);
});
