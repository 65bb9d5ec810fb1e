/** The page's state: what is chosen, in the address and as requests. */
import assert from "node:assert/strict";
import { REQUEST_FIELDS, ROW_FIELDS } from "../../lib/request/fields.ts";
import { type FieldName, METRIC_OBJECT_NAMES } from "../../lib/request/json.ts";
import { REFUSED } from "../../lib/request/refused.ts";
import { readAttribute, readPredict } from "../../lib/web/job_requests.ts";
import { labelWords, type SettingKey, SETTINGS } from "../../lib/web/page/settings.ts";
import type { State } from "../../lib/web/page/state.ts";
import * as page from "../../lib/web/page/state.ts";
import { PROMPT, SAE } from "./ask.ts";

const DEFAULTS = { model: "tiny-facts", saes: () => [{ source: SAE }] };
const ANSWERS = { positive: [1], negative: [] };
const SOME: State = { ...page.NOTHING, prompt: PROMPT };

/** A text for every setting that takes any. */
const TEXTS: Readonly<Partial<Record<SettingKey, string>>> = {
  targetText: " golf.",
  answerText: " golf.",
  answerPositions: "0",
  generate: "3",
  tokenWeight: " golf=0.5\n tennis=-0.5",
  idWeight: "3=0.5",
  rows: "5",
  budget: "30s",
  refine: "3",
  curvature: "4",
  steps: "8",
  tolerance: "0.05",
  baselinePrompt: " another text",
  tokenIds: "1, 2",
  revision: "main",
  system: "Be brief.",
  assistantPrefix: " It is",
  chatVariable: "enable_thinking=false",
  excludeTokenIds: "0",
};

/** Every value of every setting, with what it belongs to. */
function* allSettings(): Generator<[key: SettingKey, value: string, state: State]> {
  for (const [key, { values = [TEXTS[key]!], of }] of page.settingEntries()) {
    const others = of === undefined ? {} : { [of[0]]: of[1] };
    for (const value of values) yield [key, value, { ...SOME, ...others, [key]: value }];
  }
}

/** The fields that a report is made of. */
function taken(): FieldName[] {
  return (Object.keys(REQUEST_FIELDS) as FieldName[]).filter((name) =>
    REFUSED["/api/attribute"][name] === undefined && !Object.hasOwn(ROW_FIELDS, name)
  );
}

Deno.test("the page offers what the table of fields has", () => {
  const own = [
    "model",
    "sae",
    "posToken",
    "negToken",
    "posId",
    "negId",
    "metricPosition",
    "hookIn",
    "normScalingFactor",
  ];
  assert.deepEqual([...own, ...Object.keys(SETTINGS)].toSorted(), [...taken(), "baselinePrompt"].toSorted());
  for (const [key, { field, values }] of page.settingEntries()) {
    if (field.choices === undefined || key === "metric") continue;
    assert.deepEqual([...values!, field.default].toSorted(), field.choices.toSorted(), key);
  }
  const given = ["logit-diff", "logit", "top-two"]; // by the answers that are chosen
  const { values } = SETTINGS.metric;
  assert.deepEqual(
    [...given, ...values!].toSorted(),
    [...METRIC_OBJECT_NAMES, "answer", "generate", "weights"].toSorted(),
  );
});

Deno.test("every setting is in the address and in the request, and the API understands it", () => {
  const usual = JSON.stringify(page.attributeBody(SOME, ANSWERS));
  for (const [key, value, state] of allSettings()) {
    assert.equal(page.readState(page.writeState(state))[key], value, key);
    assert.equal(page.problemOf(state), undefined, key);
    const body = page.attributeBody(state, ANSWERS);
    if (page.missingText(state) !== undefined) continue; // the text that it is about is a setting of its own
    assert.notEqual(JSON.stringify(body), usual, key);
    const job = readAttribute(body, DEFAULTS);
    const name = key === "baselinePrompt" ? "baseline" : key;
    if (name !== "metric") assert.notEqual(job.values[name], undefined, key);
    readPredict(page.predictBody(state), DEFAULTS);
  }
});

Deno.test("what an address has that means nothing is said, not left out in silence", () => {
  for (const [key, , state] of allSettings()) assert.equal(page.addressProblem(page.writeState(state)), undefined, key);
  for (
    const usual of ["#method=gradient", "#prompt=%E0%A4%A&utm_source=x", "?embed=true", "#position=3&pos-id=7", ""]
  ) {
    assert.equal(page.addressProblem(usual), undefined, usual);
  }
  for (const name of ["method=nosuch", "position=-1", "position=99999999", "pos-id=x", "neg-id=1e3"]) {
    assert.equal(page.addressProblem(`#prompt=hi&pos-id=1&${name}`), `“${name}” in the address means nothing here`);
  }
});

Deno.test("a question in the query of an address is that of its hash", () => {
  for (const [, , state] of allSettings()) {
    const hash = page.writeState(state);
    assert.deepEqual(page.readState(`?embed=true&${hash.slice(1)}`), page.readState(hash));
  }
});

Deno.test("messages name what the page shows: labels, no property and no flag", () => {
  const wrong: [Partial<State>, string][] = [
    [
      { metric: "weights", tokenWeight: " golf" },
      '“Tokens with weights, one a line” is " golf": give a token, = and its weight, as in “Tokens with weights, one a line” " golf=0.5"',
    ],
    [
      { excludeSpecialTokens: "no", excludeTokenIds: "3" },
      "“SAEs at special tokens: left out” and “SAEs left out at these token ids instead” exclude each other: give one of them",
    ],
  ];
  for (const [part, message] of wrong) {
    const body = page.attributeBody({ ...SOME, ...part }, { positive: [], negative: [] });
    assert.throws(() => readAttribute(body, DEFAULTS, "backquotes"), (error: Error) => {
      assert.equal(labelWords(error.message), message);
      return true;
    });
  }
  assert.equal(
    labelWords('`steps` belongs to `method: "integrated-gradients"`: add it'),
    "“Steps on the way” belongs to “Method: the mean gradient on the way from the baseline”: add it",
  );
  assert.equal(labelWords("`includeErrorTerm: false`"), "“SAE error: left out: the SAEs replace the activations”");
  for (const name of taken()) assert.doesNotMatch(labelWords(`\`${name}\``), /[`_]/);
});

Deno.test("a number that a setting cannot be is said before anything is asked, with the table's bounds", () => {
  const problem = (part: Partial<State>): string | undefined => page.problemOf({ ...SOME, ...part });
  const gradients = { method: "integrated-gradients" };
  assert.equal(
    problem({ ...gradients, steps: "0" }),
    "“Steps on the way” is “0”: give a whole number from 1 to 65,536",
  );
  assert.equal(
    problem({ ...gradients, steps: "two" }),
    "“Steps on the way” is “two”: give a whole number from 1 to 65,536",
  );
  assert.equal(problem({ ...gradients, tolerance: "-1" }), "“Tolerance” is “-1”: give a number from 0");
  assert.equal(problem({ steps: "0" }), undefined, "it belongs to a method that is not chosen");
  assert.match(problem({ tokenIds: "1;2" })!, /^“Token ids instead of the prompt” is “1;2”: give whole numbers with/);
});

Deno.test("a text that belongs to a choice which is not made is nowhere", () => {
  const state = { ...SOME, system: "Be brief.", targetText: " golf", baselinePrompt: " a" };
  assert.equal(page.writeState(state), page.writeState(SOME));
  assert.deepEqual(page.attributeBody(state, ANSWERS), page.attributeBody(SOME, ANSWERS));
});
