/** Every public function with options says so when one has a name that it does not know. */
import assert from "node:assert/strict";
import * as api from "../../mod.ts";
import { input } from "../../lib/graph/mod.ts";

const model = await api.loadModel("tiny-facts", { threads: 1 });
const sae = await api.loadSae("tiny-facts/blocks.3.hook_resid_pre");
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});
const PROMPT = " Tiger Woods plays the sport of";
const metric = api.logitDiff(" golf", " tennis");
const result = await api.calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae] });
const x = input("x", ["position"]);

/** Options as a plain JavaScript program may write them: of any type. */
type Untyped = never;

/** By function: a misspelt option, the one that is meant, and the call. */
const CALLS: Readonly<
  Record<string, readonly [wrong: string, right: string, call: (options: Untyped) => unknown]>
> = {
  ablateFeatures: ["downstreamErrors", "downstreamError", (o) => api.ablateFeatures(result, sae.hookOut, [], o)],
  ablateJointly: ["downStreamError", "downstreamError", (o) => api.ablateJointly(result, sae.hookOut, [], o)],
  applySaesAndRun: ["trackModelHook", "trackModelHooks", (o) => api.applySaesAndRun(model, [sae], PROMPT, o)],
  attributionGraph: [
    "maxFeature",
    "maxFeatures",
    (o) => api.attributionGraph(model, PROMPT, { saes: [sae], ...(o as object) }),
  ],
  calculateAttributionGrads: ["sae", "saes", (o) => api.calculateAttributionGrads(model, PROMPT, metric, o)],
  calculateAnswerAttribution: ["sae", "saes", (o) => api.calculateAnswerAttribution(model, PROMPT, " golf", o)],
  calculateFeatureAttribution: ["sae", "saes", (o) => api.calculateFeatureAttribution(model, PROMPT, metric, o)],
  calculateFeatureAttributions: ["methods", "method", (o) => api.calculateFeatureAttributions(model, [], o)],
  edgeTable: ["featureOnly", "featuresOnly", (o) => api.edgeTable({ nodes: [], targets: [] }, o)],
  evaluateFaithfulness: ["count", "counts", (o) => api.evaluateFaithfulness(result, o)],
  evaluateSae: ["batch_size", "batchSize", (o) => api.evaluateSae(model, sae, [[1, 2, 3]], o)],
  faithShapley: ["sample", "samples", (o) => api.faithShapley(result, sae.hookOut, o)],
  featureEdges: ["target", "targets", (o) => api.featureEdges(model, PROMPT, { saes: [sae], ...(o as object) })],
  featureLogits: ["topK", "top", (o) => api.featureLogits(model, sae, [1], o)],
  featureTable: ["feature", "features", (o) => api.featureTable(result, o)],
  graphMetric: [
    "positions",
    "position",
    (o) => api.graphMetric({ name: "a", build: (logits) => logits, ...(o as object) }),
  ],
  interactions: ["position", "positions", (o) => api.interactions(result, sae.hookOut, o)],
  klToClean: ["positions", "position", (o) => api.klToClean(o)],
  loadModel: ["thread", "threads", (o) => api.loadModel("tiny-facts", o)],
  loadSae: ["hook_in", "hookIn", (o) => api.loadSae("tiny-facts/blocks.3.hook_resid_pre", o)],
  loadSaes: ["K", "k", (o) => api.loadSaes("tiny-facts/blocks.3.hook_resid_pre", o)],
  logProb: ["at", "position", (o) => api.logProb(" golf", o)],
  logit: ["pos", "position", (o) => api.logit(" golf", o)],
  logitDiff: ["Position", "position", (o) => api.logitDiff(" golf", " tennis", o)],
  longRows: ["position", "positions", (o) => api.longRows(result, o)],
  longTable: ["column", "columns", (o) => api.longTable(result, o)],
  positionTable: ["position", "positions", (o) => api.positionTable(result, o)],
  prob: ["postion", "position", (o) => api.prob(" golf", o)],
  pruneGraph: ["nodes", "node", (o) => api.pruneGraph({} as Untyped, o)],
  runnerUpLogitDiff: ["positions", "position", (o) => api.runnerUpLogitDiff(" golf", o)],
  selectFeatures: ["sizes", "size", (o) => api.selectFeatures(result, sae.hookOut, o)],
  selectForPrompts: ["heldout", "heldOut", (o) => api.selectForPrompts([result], sae.hookOut, o)],
  steer: ["metrics", "metric", (o) => api.steer(model, PROMPT, [], { saes: [sae], ...(o as object) })],
  steerText: ["strength", "strengths", (o) => api.steerText(model, PROMPT, [], { saes: [sae], ...(o as object) })],
  testPrompt: ["topk", "topK", (o) => api.testPrompt(model, PROMPT, o)],
  toCircuitTracer: ["slugs", "slug", (o) => api.toCircuitTracer({} as Untyped, o)],
  toHtml: ["card", "cards", (o) => api.toHtml(result, o)],
  toOnnx: ["dType", "dtype", (o) => api.toOnnx({ y: x }, o)],
  topTwoLogitDiff: ["positions", "position", (o) => api.topTwoLogitDiff(o)],
  verifyAttribution: ["counts", "count", (o) => api.verifyAttribution(result, o)],
  vjp: ["rule", "rules", (o) => api.vjp([x], [x], [x], o)],
  weightedLogits: ["position ", "position", (o) => api.weightedLogits([" golf"], [1], o)],
  "Model.toTokens": ["prependBOS", "prependBos", (o) => model.toTokens(PROMPT, o)],
  "Model.applyChatTemplate": ["variable", "variables", (o) => model.applyChatTemplate([], o)],
  "integration of an attribution": [
    "step",
    "steps",
    (integration) => api.calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae], integration }),
  ],
  "baseline of an attribution": [
    "promt",
    "prompt",
    (baseline) => api.calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae], baseline }),
  ],
};

for (const [name, [wrong, right, call]] of Object.entries(CALLS)) {
  Deno.test(`${name}: an unknown option is an error that names the nearest`, async () => {
    await assert.rejects(async () => await call({ [wrong]: [1] } as never), (error: Error) => {
      assert.ok(error instanceof TypeError, `${error}`);
      assert.match(error.message, /^[\w ]+ has no option "/);
      assert.ok(error.message.endsWith(` has no option "${wrong}": the nearest is "${right}"`), error.message);
      return true;
    });
  });
}

Deno.test("no public function with options is missing above", () => {
  const withOptions = Object.entries(api).filter(([, value]) => {
    const [, parameters] = typeof value === "function" ? /^[^(]*\(([^)]*)/.exec(String(value)) ?? [] : [];
    return /\boptions\b/.test(parameters ?? "");
  });
  assert.ok(withOptions.length > 20);
  assert.deepEqual(withOptions.map(([name]) => name).filter((name) => !Object.hasOwn(CALLS, name)), []);
});

const STEP = { feature: 189, position: -1, how: "set", value: 0 };
const attribute = (options: object) =>
  api.calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae], ...options });
const ablate = (options: Untyped) => api.ablateFeatures(result, sae.hookOut, [], options);
const steer = (step: object) => api.steer(model, PROMPT, [{ ...STEP, ...step } as never], { saes: [sae] });

/** Values that an option cannot have, and what the message says. */
const VALUES: readonly (readonly [call: () => unknown, message: RegExp])[] = [
  [() => attribute({ processing: "foo" }), /^processing of .* is "foo": choose sae, default or none$/],
  [() => attribute({ processingFlags: { fold_ln: true } }), /^processingFlags has no option "fold_ln": .* "foldLn"$/],
  [() => attribute({ processingFlags: { foldLn: 1 } }), /^foldLn of processingFlags is 1: give true or false$/],
  [() => attribute({ method: "shap" }), /^method of .* is "shap": choose gradient, .* or ablation$/],
  [() => attribute({ includeErrorTerm: "no" }), /^includeErrorTerm of .* is "no": give true or false$/],
  [() => attribute({ excludeSpecialTokens: "yes" }), /^excludeSpecialTokens of .*: give true, false or token ids$/],
  [() => attribute({ trackHookPoints: "hook_embed" }), /^trackHookPoints of .* is "hook_embed": give a list$/],
  [() => attribute({ baseline: "median" }), /^baseline of .* is "median": choose zero or mean$/],
  [() => attribute({ topPredictions: -1 }), /^topPredictions of .* is -1: give a whole number, at least 0$/],
  [
    () => attribute({ integration: { steps: 4 } }),
    /^integration is for the method integrated-gradients, not for gradient/,
  ],
  [
    () => attribute({ method: "integrated-gradients", integration: { rule: "left" } }),
    /^rule of integration is "left": choose trapezoid or midpoint$/,
  ],
  [
    () => ablate({ downstreamError: "freeze" } as never),
    /^downstreamError of ablateFeatures is "freeze": choose recomp/,
  ],
  [() => api.evaluateFaithfulness(result, { ablation: "median" } as never), /^ablation of .*: choose zero or mean$/],
  [() => api.loadModel("tiny-facts", { weights: "all" } as never), /^weights of loadModel is "all": choose streamed, /],
  [() => api.loadModel("tiny-facts", { threads: 0 }), /^threads of loadModel is 0: give a number above 0$/],
  [
    () => api.loadSae("tiny-facts/blocks.3.hook_resid_pre", { weights: "auto" } as never),
    /^weights of loadSae is "auto"/,
  ],
  [() => steer({ how: "zero" }), /^how of an intervention is "zero": choose set, add or scale$/],
  [() => steer({ value: undefined }), /^The value of the intervention at feature 189 is missing: give a number$/],
  [() => steer({ value: 1e39 }), /^The value of the intervention at feature 189 is 1e\+39: give one that float32 has$/],
  [() => steer({ value: -Infinity }), /^The value of the intervention at feature 189 is -Infinity: give one that/],
  [
    () => api.calculateAnswerAttribution(model, PROMPT, 5 as never, { saes: [sae] }),
    /^The answer is 5: give a text or a list of token ids$/,
  ],
  [
    () => api.interactions(result, sae.hookOut, { positions: "0" as never }),
    /^The positions are "0": give a list such as \[2, -1\], or a slice/,
  ],
  [
    () => api.calculateAnswerAttribution(model, PROMPT, " golf", { saes: [sae], answerPositions: 0 as never }),
    /^The positions are 0: give a list/,
  ],
  [() => steer({ hooks: sae.hookOut }), /^an intervention has no option "hooks": the nearest is "hook"$/],
  [() => api.longRows(result, { positions: { from: 3 } as never }), /^a slice of positions has no option "from": /],
  [
    () => api.longTable(result, { columns: ["tokens"] as never }),
    /^There is no column "tokens": choose of hook, kind,/,
  ],
  [() => api.longTable(result, { top: -3 }), /^top of The long table is -3: give a whole number/],
  [() => api.testPrompt(model, PROMPT, { topK: "3" as never }), /^topK of testPrompt is "3": give a whole number/],
  [() => api.testPrompt(model, undefined as never), /^The prompt is undefined: give a text or a list of token ids$/],
];

Deno.test("a value that an option cannot have is an error, not something else", async () => {
  for (const [call, message] of VALUES) {
    await assert.rejects(async () => await call(), (error: Error) => {
      assert.match(error.message, message);
      assert.ok(error instanceof RangeError || error instanceof TypeError);
      return true;
    });
  }
});

Deno.test("options that are no object, and SAEs that are no list", async () => {
  const plain = (options: Untyped) => api.calculateFeatureAttribution(model, PROMPT, metric, options);
  await assert.rejects(plain([sae] as never), {
    name: "TypeError",
    message: "The options of calculateFeatureAttribution are a list: give an object such as { prependBos: … }",
  });
  await assert.rejects(plain({ saes: sae } as never), {
    message: /^saes of calculateFeatureAttribution is .*: give a list$/,
  });
  assert.throws(() => api.logit(" golf", -1 as Untyped), {
    message: /^The options of logit are a number: give an object/,
  });
});

Deno.test("a name that is like none lists them all", () =>
  assert.rejects(async () => await api.loadModel("tiny-facts", { temperature: 1 } as never), {
    name: "TypeError",
    message: /^loadModel has no option "temperature": there are .*device, .*threads/,
  }));
