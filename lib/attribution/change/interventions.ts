/**
 * Features that are given other activations, and the run that goes on with them.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { ForwardState, Replacement } from "../../model/stages/chain.ts";
import type { Model } from "../../model/model.ts";
import type { Encoded, Sae } from "../../sae/sae.ts";
import { replaceHead, type SaeRun, selectHead, splitHooks } from "../run/sae_hooks.ts";
import { resolvePosition } from "../positions.ts";
import type { RunWithSaes } from "../run/run_prompts.ts";
import { activationsOf, checkFeature, checkFeatureIndex, contributionSum } from "../run/contributions.ts";
import { INTERVENTION_KINDS, type InterventionKind } from "./intervention_kinds.ts";
import {
  type Adding,
  adding,
  addingTo,
  cleanValue,
  comesAfter,
  otherReplacements,
  type OtherSaes,
  refuseCrossLayer,
  restoreExcluded,
  type VariantOptions,
} from "./rerun.ts";

/** A feature that is given another activation. */
export interface Intervention {
  /** Where its SAE writes; needed where there are several SAEs. */
  readonly hook?: string;
  /** The feature's index in the SAE; it need not be active. */
  readonly feature: number;
  /**
   * From the prompt's end when negative; `all`: every position at which the SAE is not left out. Where text is generated,
   * or the metric is about a continuation, that has its tokens too; `prompt` are those of the prompt, `new` those that are
   * generated.
   */
  readonly position: number | "all" | "prompt" | "new";
  /** The new activation is the value, the old one plus the value, or the old one times the value. */
  readonly how: InterventionKind;
  /** A number in the units of the feature's activation, or a factor. */
  readonly value: number;
}

const INTERVENTION: OptionKinds<Intervention> = {
  hook: "any",
  feature: "any",
  position: ["all", "prompt", "new"],
  how: INTERVENTION_KINDS,
  value: "any",
};

/** An activation that was changed. */
export interface SteeredActivation {
  /** Where its SAE writes. */
  readonly hook: string;
  /** The token, counted from 0. */
  readonly position: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** What it was; further up than another changed feature, what that made it. */
  readonly before: number;
  /** What it was made. */
  readonly after: number;
}

/** An intervention at one position. */
export type Planned = Intervention & { readonly position: number };

/**
 * The hook of an intervention.
 *
 * @param saes by the hook that they write
 * @throws {TypeError | RangeError} if it is no intervention, or there is no such SAE or feature
 */
export function checkIntervention(intervention: Intervention, saes: ReadonlyMap<string, Sae>): string {
  checkOptions("an intervention", intervention, INTERVENTION);
  if (typeof intervention.value !== "number") {
    throw new TypeError(`The value of the intervention at feature ${intervention.feature} is missing: give a number`);
  }
  if (!Number.isFinite(Math.fround(intervention.value))) {
    const { feature, value } = intervention;
    throw new RangeError(`The value of the intervention at feature ${feature} is ${value}: give one that float32 has`);
  }
  const hook = intervention.hook ?? (saes.size === 1 ? [...saes.keys()][0] : undefined);
  const sae = hook === undefined ? undefined : saes.get(hook);
  if (hook === undefined || sae === undefined) {
    const there = [...saes.keys()].join(", ") || "none";
    const what = hook === undefined ? "needs a hook" : `names the hook ${hook}, where no SAE writes`;
    throw new RangeError(`The intervention at feature ${intervention.feature} ${what}: there is ${there}`);
  }
  checkFeatureIndex(sae, intervention.feature);
  return hook;
}

/** The interventions by hook, at every position that they mean. */
export function plan(
  { saeRuns }: RunWithSaes,
  interventions: readonly Intervention[],
  lengths: Lengths,
): Map<string, Planned[]> {
  const planned = new Map<string, Planned[]>();
  const saes = new Map([...saeRuns].map(([hook, { sae }]) => [hook, sae]));
  for (const intervention of interventions) {
    const hook = checkIntervention(intervention, saes);
    const run = saeRuns.get(hook)!;
    const positions = positionsOf(intervention, run.excluded, lengths);
    const each = positions.map((position) => ({ ...intervention, position }));
    for (const one of each) checkFeature(run, one);
    planned.set(hook, [...planned.get(hook) ?? [], ...each]);
  }
  return planned;
}

/** How many tokens a prompt has, and how many the run: a metric may add its continuation. */
export interface Lengths {
  readonly prompt: number;
  readonly run: number;
}

/**
 * The positions of a run that a change means.
 *
 * @throws {RangeError} if there is no such position, or the SAEs are left out there
 */
export function positionsOf(
  { position }: Pick<Intervention, "position">,
  excluded: ReadonlySet<number>,
  { prompt, run }: Lengths,
): number[] {
  if (position === "new") {
    throw new RangeError('There are positions "new" only where text is generated (`steerText`): give a position');
  }
  if (position === "all" || position === "prompt") {
    const length = position === "all" ? run : prompt;
    return Array.from({ length }, (_, p) => p).filter((p) => !excluded.has(p));
  }
  const at = position >= prompt && position < run ? position : resolvePosition(position, prompt);
  checkIncluded(at, excluded);
  return [at];
}

/** @throws {RangeError} if the SAEs are left out at a position */
export function checkIncluded(position: number, excluded: ReadonlySet<number>): void {
  if (!excluded.has(position)) return;
  throw new RangeError(
    `Position ${position} is a special or excluded token, where the SAEs are left out: ` +
      "choose another, or let them in (`excludeSpecialTokens: false`)",
  );
}

/** The run from whose middle the changed one starts. */
export interface Start extends Required<VariantOptions> {
  readonly model: Model;
  readonly run: RunWithSaes;
  readonly includeErrorTerm: boolean;
}

/**
 * Goes on from the lowest changed hook.
 *
 * @param vectors what is added at hooks, those of SAEs or others
 * @throws {RangeError} if a cross-layer transcoder would have to encode again
 */
export async function withChanges(
  start: Start,
  planned: ReadonlyMap<string, readonly Planned[]>,
  vectors: ReadonlyMap<string, Adding> = new Map(),
): Promise<{ state: ForwardState; changes: SteeredActivation[] }> {
  const { model, run: { state, saeRuns }, includeErrorTerm, downstreamError } = start;
  if (!includeErrorTerm || downstreamError === "frozen") refuseCrossLayer(saeRuns);
  const all = new Set([...planned.keys(), ...vectors.keys()]);
  const [lowest, ...higher] = [...all].sort((a, b) => comesAfter(model, a, b) ? 1 : -1);
  const hooks = [lowest, ...higher].filter((hook) => saeRuns.has(hook));
  const made = new Map<string, SteeredActivation[]>();
  const above = new Map<string, Float32Array>(); // what features of a cross-layer transcoder write further up
  const changed = hooks.map((hook) =>
    changing(start, lowest, saeRuns.get(hook)!, async (run, value) => {
      const { list, written } = await change(run, planned.get(hook) ?? []);
      made.set(hook, list);
      const [own, ...later] = splitHooks(written, run.sae.hooksOut.length, run.sae.config.dOut);
      later.forEach((part, i) => {
        const name = run.sae.hooksOut[i + 1];
        above.set(name, above.get(name)?.map((x, j) => x + part[j]) ?? part);
      });
      return value.map((x, i) => x + own[i]);
    })
  );
  const parts: OtherSaes = { model, grads: { saeRuns }, includeErrorTerm };
  const others = otherReplacements(parts, lowest, 1, downstreamError).filter(({ hook }) => !all.has(hook));
  const later = hooks.flatMap((hook) => saeRuns.get(hook)!.sae.hooksOut.slice(1));
  const fromBelow = new Map(later.map((hook) => [hook, addingTo(saeRuns.get(hook)!, () => above.get(hook)!)]));
  const replacements = adding(adding([...changed, ...others], fromBelow), vectors);
  const after = await model.chain.rerun(state, 1, { replacements });
  return { state: after, changes: hooks.flatMap((hook) => made.get(hook)!) };
}

/** An SAE some of whose features change: the lowest as it was in the run, another on what comes in then. */
function changing(
  { model, includeErrorTerm, downstreamError }: Start,
  lowest: string,
  run: SaeRun,
  changed: (run: SaeRun, value: Float32Array) => Promise<Float32Array>,
): Replacement {
  const { sae } = run;
  const isNew = sae.hookOut !== lowest && (sae.hookIn === lowest || comesAfter(model, sae.hookIn, lowest));
  return {
    hook: sae.hookOut,
    reads: isNew ? [sae.hookIn] : [],
    async replace(values) {
      const whole = values.get(sae.hookOut)!;
      const encoded = isNew ? await sae.encode(model.runtime, selectHead(sae, values.get(sae.hookIn)!)) : run.encoded;
      const value = sae.hookOut === lowest ? cleanValue(run, includeErrorTerm) : await valueWithoutChanges(
        run,
        encoded,
        selectHead(sae, whole),
        includeErrorTerm,
        downstreamError === "frozen",
      );
      return replaceHead(sae, whole, await changed({ ...run, encoded }, value));
    },
  };
}

/** What an SAE further up would let through if none of its own features were changed. */
async function valueWithoutChanges(
  run: SaeRun,
  encoded: Encoded,
  now: Float32Array,
  includeErrorTerm: boolean,
  isFrozen: boolean,
): Promise<Float32Array> {
  if (includeErrorTerm && !isFrozen) return now;
  const { sae, saeIn, saeOut } = run;
  const value = (await sae.decode(encoded)).map((x, i) => x + (includeErrorTerm ? saeIn[i] - saeOut[i] : 0));
  restoreExcluded(value, now, run);
  return value;
}

/** The activations that change, and what that adds to what the SAE writes. */
export async function change(
  run: Pick<SaeRun, "sae" | "encoded">,
  planned: readonly Planned[],
): Promise<{ list: SteeredActivation[]; written: Float32Array }> {
  const activation = activationsOf(run);
  const changes = new Map<string, SteeredActivation>();
  for (const { position, feature, how, value } of planned) {
    const key = `${position} ${feature}`;
    const before = changes.get(key)?.before ?? activation({ position, feature });
    const old = changes.get(key)?.after ?? before;
    const after = how === "set" ? value : how === "add" ? old + value : old * value;
    changes.set(key, { hook: run.sae.hookOut, position, feature, before, after });
  }
  const list = [...changes.values()].sort((a, b) => a.position - b.position || a.feature - b.feature);
  const by = list.map(({ before, after, ...at }) => ({ ...at, by: after - before }));
  return { list, written: await contributionSum(run, by) };
}
