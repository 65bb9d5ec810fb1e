/** What the page asks when a feature is changed, and what is typed to add one to a set. */
import assert from "node:assert/strict";
import { calculateAnswerAttribution, calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../mod.ts";
import { answerReportData } from "../../lib/report/answer_data.ts";
import { dataOfTarget } from "../../lib/report/client/answer_view.ts";
import { reportData } from "../../lib/report/data.ts";
import { Engine } from "../../lib/web/engine.ts";
import { readSelect, readSteer } from "../../lib/web/change/requests.ts";
import { LastJob } from "../../lib/web/page/change/last_job.ts";
import { questionBody } from "../../lib/web/page/change/question.ts";
import { membersOf } from "../../lib/web/page/change/set_view.ts";
import type { JobOptions } from "../../lib/web/page/engine.ts";
import { attributeBody, NOTHING, settingEntries, type State } from "../../lib/web/page/state.ts";
import { PROMPT, SAE } from "./ask.ts";

const DEFAULTS = { model: "tiny-facts", saes: () => [{ source: SAE }] };
const ANSWERS = { positive: [1], negative: [2] };

const model = await loadModel("tiny-facts", { threads: 1 });
const sae = await loadSae(SAE);
const metric = logitDiff(" golf", " tennis");
const result = await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae] });
const data = await reportData(result, { cards: 0 });
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});

Deno.test("whatever the page is set to, a change is asked of the same run", () => {
  const interventions = [{ feature: 3, position: "all", how: "set", value: 0 }];
  let asked = 0;
  for (const [key, { values = [], of }] of settingEntries()) {
    for (const value of values) {
      const state: State = {
        ...{ ...NOTHING, prompt: PROMPT, tokenIds: "", [key]: value },
        ...(of === undefined ? {} : { [of[0]]: of[1] }),
      };
      if (state.metric !== "" && !["logprob", "prob", "loss"].includes(state.metric)) continue;
      const answers = state.metric === "loss" ? { positive: [], negative: [] } : ANSWERS;
      const single = state.metric === "" ? answers : { ...answers, negative: [] };
      const body = attributeBody(state, single);
      const question = questionBody(body, data)!;
      for (const job of [readSteer({ ...question, interventions }, DEFAULTS), readSelect(question, DEFAULTS)]) {
        assert.equal(job.prompt, PROMPT);
        assert.equal(job.method, "gradient");
        if (body.error_term !== undefined) assert.equal(job.includeErrorTerm, body.error_term);
        if (body.processing !== undefined) assert.equal(job.processing, body.processing);
        if (state.metric === "") assert.deepEqual([job.metric.positive, job.metric.negative], [[1], [2]]);
      }
      asked++;
    }
  }
  assert.ok(asked > 20, `${asked}`);
});

Deno.test("of an answer, a change is asked of the token that is looked at, by its ids", async () => {
  const answer = await calculateAnswerAttribution(model, PROMPT, " golf.", { saes: [sae] });
  const whole = await answerReportData(answer, { cards: 0 });
  const body = attributeBody(
    { ...NOTHING, prompt: PROMPT, metric: "answer", answerText: " golf.", processing: "none" },
    {
      positive: [],
      negative: [],
    },
  );
  assert.equal(questionBody(body, whole), undefined, "all together have no metric of their own");
  await using engine = new Engine({ device: "auto", threads: 1 });
  for (const { position, id, metric } of whole.answer!.targets) {
    const question = questionBody(body, dataOfTarget(whole, position))!;
    assert.deepEqual(question, {
      processing: "none",
      token_ids: whole.tokens.slice(0, position).map(({ id }) => id),
      metric: { name: "logprob", positive: [id], negative: [] },
    });
    const { processing: _, ...same } = question;
    const interventions = [{ feature: 3, position: "all", how: "set", value: 0 }];
    const event = await engine.perform(readSteer({ ...same, interventions }, DEFAULTS), () => {});
    assert.ok(event.type === "steered");
    assert.ok(Math.abs(event.steered.metric.before! - metric.value!) < 1e-4, "the metric is the target's own");
  }
});

Deno.test("what is typed names features that are active here, or is told what is wrong with it", () => {
  const { feature, position } = data.saes[0].rows;
  const several = feature.find((one, i) => feature.indexOf(one) !== i)!;
  const places = position.filter((_, i) => feature[i] === several).sort((a, b) => a - b);
  assert.ok(places.length > 1);
  const expected = places.map((position) => ({ position, feature: several }));
  assert.deepEqual(membersOf(` #${several} `, data, 0), expected);
  assert.deepEqual(membersOf(`${several}@${places[1]}`, data, 0), [expected[1]]);
  const elsewhere = data.tokens.findIndex((_, at) => !places.includes(at));
  assert.equal(
    membersOf(`${several} @ ${elsewhere}`, data, 0),
    `Feature ${several} is not active at position ${elsewhere}.`,
  );
  assert.equal(membersOf(`${several}@70`, data, 0), "There is no position 70: the last is 6.");
  const { dSae } = data.saes[0];
  assert.match(
    membersOf(String(dSae), data, 0) as string,
    /^There is no feature [\d,]+: the SAE has [\d,]+, from 0\.$/,
  );
  const silent = Array.from({ length: dSae }, (_, i) => i).find((one) => !feature.includes(one))!;
  assert.equal(membersOf(String(silent), data, 0), `Feature ${silent} is not active here.`);
  for (const text of ["", "golf", "-3", "3@", "@3", "3@-1", "1e3", "3 4", "9".repeat(30), "<b>3</b>"]) {
    assert.match(membersOf(text, data, 0) as string, /^“.*” is no feature: give its number/);
  }
});

Deno.test("of several jobs the last one counts, and none outlives the question", async () => {
  const status = { textContent: "" };
  let outside = new AbortController();
  const job = new LastJob(status, () => outside.signal);
  /** A job that ends when it is told to, as the engines' do when they are given up. */
  const ask = (gate: Promise<string>) => ({ signal, onEvent }: JobOptions): Promise<string> => {
    onEvent({ type: "searching", runs: 1200 });
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      gate.then(resolve, reject);
    });
  };
  const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const one = job.run(ask(first.promise));
  assert.equal(status.textContent, "Looking for the set: 1,200 runs …");
  const two = job.run(ask(second.promise));
  assert.equal(await one, undefined);
  assert.equal(status.textContent, "Looking for the set: 1,200 runs …", "the second one's");
  second.resolve("found");
  assert.equal(await two, "found");
  assert.equal(status.textContent, "");
  const failing = Promise.withResolvers<string>();
  const three = job.run(ask(failing.promise));
  failing.reject(new RangeError("`includeErrorTerm: false` is wrong"));
  assert.equal(await three, undefined);
  assert.match(status.textContent, /^“SAE error: left out.*” is wrong$/);
  const four = job.run(ask(Promise.withResolvers<string>().promise));
  outside.abort();
  assert.equal(await four, undefined);
  assert.equal(status.textContent, "");
  outside = new AbortController();
  assert.equal(await job.run(ask(Promise.resolve("again"))), "again");
  const five = job.run(ask(Promise.withResolvers<string>().promise));
  job.stop();
  assert.equal(await five, undefined);
  assert.equal(status.textContent, "");
});
