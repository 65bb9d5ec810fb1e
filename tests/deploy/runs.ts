/** What the tests of the scheduled run share. */
import assert from "node:assert/strict";
import type { ScheduledPrompt } from "../../lib/deploy/drift.ts";
import type { Kv, ScheduledRun } from "../../lib/deploy/results.ts";
import { shownSettings } from "../../lib/batch/settings.ts";
import { readConfig } from "../../lib/deploy/config.ts";

/** A KV as strict as Deno's about sizes. */
export function fakeKv(): Kv & { readonly values: Map<string, unknown> } {
  const values = new Map<string, unknown>();
  const get = (key: unknown): Promise<{ value: unknown }> =>
    Promise.resolve({ value: values.get(JSON.stringify(key)) ?? null });
  return {
    values,
    get,
    getMany(keys) {
      assert.ok(keys.length <= 10);
      return Promise.all(keys.map(get));
    },
    set(key, value) {
      const bytes = value instanceof Uint8Array ? value.length : JSON.stringify(value).length;
      assert.ok(bytes < 64 * 1024, `${bytes} bytes are too many for a value`);
      values.set(JSON.stringify(key), structuredClone(value));
      return Promise.resolve();
    },
    delete(key) {
      values.delete(JSON.stringify(key));
      return Promise.resolve();
    },
  };
}

const SETTINGS = shownSettings(readConfig({ schedule: "0 6 * * *", prompts: [{ prompt: " a" }] }).settings);

/** One of its prompts. */
export function madeUpPrompt(prompt_id: string, metric: number, formula = "logits[-1, 1]"): ScheduledPrompt {
  const answers = { positive: [{ id: 1, token: " b", probability: 0.5 }], negative: [] };
  return { prompt_id, prompt: " a", token_ids: [0, 3], metric_name: "logit", formula, ...answers, metric };
}

/** A run that was not made by a model. */
export function madeUpRun(started: string, rows: ScheduledRun["rows"], metric = 1): ScheduledRun {
  return {
    schema_version: 1,
    started,
    seconds: 1,
    model: { name: "m", revision: null, family: "gpt2", sha256: {} },
    saes: [],
    processing: {},
    prepend_bos: true,
    device: "wasm",
    versions: { "sae-attribution": "1" },
    settings: SETTINGS,
    prompts: [madeUpPrompt("a", metric)],
    errors: [],
    columns: ["prompt_id", "hook", "position", "feature", "attribution"],
    rows,
    drift: null,
  };
}
