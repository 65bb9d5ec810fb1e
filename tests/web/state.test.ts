/** The page's state: what is chosen, in the address and as requests. */
import assert from "node:assert/strict";
import { METHOD_NAMES } from "../../lib/attribution/methods/names.ts";
import { PROCESSING_CHOICES } from "../../lib/attribution/run/processing.ts";
import { type Field, jsonNameOf } from "../../lib/request/field.ts";
import { REQUEST_FIELDS } from "../../lib/request/fields.ts";
import { METRIC_OBJECT_NAMES } from "../../lib/request/json.ts";
import { readAttribute, readPredict } from "../../lib/web/job_requests.ts";
import { type SettingKey, type State } from "../../lib/web/page/state.ts";
import * as page from "../../lib/web/page/state.ts";
import { PROMPT, SAE } from "./ask.ts";

const DEFAULTS = { model: "tiny-facts", saes: () => [{ source: SAE }] };
const ANSWERS = { positive: [1], negative: [] };
const SOME: State = { ...page.NOTHING, prompt: PROMPT };

/** Every value of every setting, with what it belongs to. */
function* allSettings(): Generator<[key: SettingKey, value: string, state: State]> {
  for (const [key, { choices = [" any text"], of }] of page.settingEntries()) {
    const others = of === undefined ? {} : { [of[0]]: of[1] };
    for (const value of choices) yield [key, value, { ...SOME, ...others, [key]: value }];
  }
}

Deno.test("the page offers what the table of fields has", () => {
  const { method, metric, processing } = page.SETTINGS;
  assert.deepEqual([METHOD_NAMES[0], ...method.choices!], [...METHOD_NAMES]);
  const given = ["logit-diff", "logit", "top-two"]; // by the answers that are chosen
  assert.deepEqual([...given, ...metric.choices!].sort(), [...METRIC_OBJECT_NAMES].sort());
  assert.deepEqual(["sae", ...processing.choices!], [...PROCESSING_CHOICES]);
  const properties = Object.entries(REQUEST_FIELDS).map(([name, field]) => jsonNameOf(name, field as Field));
  for (const { property } of Object.values(page.SETTINGS)) {
    assert.ok(property === undefined || properties.includes(property), `${property}`);
  }
});

Deno.test("every setting is in the address and in the request, and the API understands it", () => {
  const usual = JSON.stringify(page.attributeBody(SOME, ANSWERS));
  for (const [key, value, state] of allSettings()) {
    assert.equal(page.readState(page.writeState(state))[key], value, key);
    const body = page.attributeBody(state, ANSWERS);
    const isWaiting = (key === "metric" && value === "target-text") || (key === "baseline" && value === "prompt");
    if (isWaiting) continue; // for the text that it is about, which is a setting of its own
    assert.notEqual(JSON.stringify(body), usual, key);
    readAttribute(body, DEFAULTS);
    readPredict(page.predictBody(state), DEFAULTS);
  }
});

Deno.test("a text that belongs to a choice which is not made is nowhere", () => {
  const state = { ...SOME, system: "Be brief.", targetText: " golf", baselinePrompt: " a" };
  assert.equal(page.writeState(state), page.writeState(SOME));
  assert.deepEqual(page.attributeBody(state, ANSWERS), page.attributeBody(SOME, ANSWERS));
});
