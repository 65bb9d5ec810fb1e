/**
 * Golden cases: runs of the reference stack (SAELens and TransformerLens, driven by the notebook's own functions) on a
 * tiny random GPT-2, and how this project runs and compares them.
 */
import assert from "node:assert/strict";
import {
  type Attribution,
  calculateFeatureAttribution,
  loadSae,
  logitDiff,
  logProb,
  loss,
  type Metric,
  type Model,
  prob,
  type Sae,
  weightedLogits,
} from "../../mod.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";

/** Where the goldens lie. */
export const DATA = new URL("../data/", import.meta.url);

/** What a case is about. */
export type GoldenKind = "seed" | "sae_fit" | "contrast" | "relp";

/** What a case's JSON says, as far as tests read it. */
export interface GoldenCase {
  readonly name: string;
  readonly kind?: GoldenKind;
  readonly model: string;
  readonly saes: readonly {
    readonly hook: string;
    readonly hook_in?: string;
    readonly architecture: string;
    readonly path: string;
    readonly norm_scaling_factor?: number | null;
  }[];
  readonly prompt: string;
  readonly prepend_bos: boolean;
  readonly prepend_bos_source?: string;
  readonly tokens: readonly number[];
  readonly str_tokens: readonly string[];
  readonly metric: {
    readonly kind: "logit_diff" | "logprob" | "prob" | "weighted_logits" | "loss";
    readonly position: number;
    readonly pos_token: number;
    readonly neg_token: number;
    readonly tokens: readonly number[];
    readonly weights: readonly number[];
  };
  readonly include_error_term: boolean;
  readonly track_hook_points: readonly string[] | null;
  readonly exclude_special_tokens?: boolean | readonly number[];
  readonly excluded_positions?: readonly number[];
  readonly processing: { readonly center_unembed: boolean };
  readonly expected: {
    readonly metric: number;
    readonly next_tokens: readonly { id: number; token: string; rank: number; logit: number; probability: number }[];
    readonly saes: Readonly<Record<string, GoldenSae>>;
  };
}

/** What is expected of one SAE. */
export interface GoldenSae {
  readonly rows: readonly [position: number, feature: number, attribution: number][];
  readonly nonzero_count: number;
  readonly active_count: number;
  readonly sum: number;
  readonly sae_errors_attribution_proportion: number;
  readonly completeness: Readonly<Record<"sum_attr" | "g_dot_bias" | "g_dot_err" | "g_dot_x", readonly number[]>>;
}

/** What is expected of one SAE in a case of kind `sae_fit`. */
export interface GoldenFit {
  readonly l0: readonly number[];
  readonly explained_variance: readonly number[];
  readonly relative_error: readonly number[];
  readonly explained_variance_overall: number;
  readonly explained_variance_overall_without_first: number;
  readonly mean_l0: number;
  readonly mean_l0_without_first: number;
  readonly mean_relative_error: number;
}

/** All cases on disk, or those of one kind. */
export function goldenCases(kind: GoldenKind, below: string = "cases/"): GoldenCase[] {
  const directory = new URL(below, DATA);
  return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".json")).sort()
    .map((name) => JSON.parse(Deno.readTextFileSync(new URL(name, directory))) as GoldenCase)
    .filter((golden) => (golden.kind ?? "seed") === kind);
}

/** A case's tensors by name. */
export async function goldenTensors(golden: GoldenCase): Promise<Map<string, Float32Array>> {
  await using source = openSource(new URL("cases/", DATA));
  const store = await openSafetensors(source, { file: `${golden.name}.safetensors` });
  const names = [...store.tensors.keys()].filter((name) => !name.startsWith("extra/"));
  return new Map(await Promise.all(names.map(async (name) => [name, await store.read(name)] as const)));
}

/** Opens a case's SAEs. */
export function openSaes(golden: GoldenCase): Promise<Sae[]> {
  return Promise.all(
    golden.saes.map(({ path, hook, norm_scaling_factor }) =>
      loadSae(new URL(`${path}/`, DATA), { hook, normScalingFactor: norm_scaling_factor ?? undefined })
    ),
  );
}

/** A case's metric. */
export function goldenMetric({ metric: m }: GoldenCase): Metric {
  const at = { position: m.position };
  switch (m.kind) {
    case "logit_diff":
      return logitDiff(m.pos_token, m.neg_token, at);
    case "logprob":
      return logProb(m.pos_token, at);
    case "prob":
      return prob(m.pos_token, at);
    case "weighted_logits":
      return weightedLogits(m.tokens, m.weights, at);
    case "loss":
      return loss();
  }
}

/** BOS as the case has it: left to the SAE where the SAE says so. */
export function goldenPrependBos({ prepend_bos, prepend_bos_source }: GoldenCase): boolean | undefined {
  return prepend_bos_source === "sae metadata" ? undefined : prepend_bos;
}

/** Runs a case. */
export function runGolden(model: Model, golden: GoldenCase, saes: readonly Sae[]): Promise<Attribution> {
  return calculateFeatureAttribution(model, golden.prompt, goldenMetric(golden), {
    saes,
    trackHookPoints: golden.track_hook_points ?? [],
    includeErrorTerm: golden.include_error_term,
    prependBos: goldenPrependBos(golden),
    truncate: true,
    excludeSpecialTokens: golden.exclude_special_tokens,
  });
}

/** The largest |value|. */
export function largest(values: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i]));
  return max;
}

/** The largest |got − want|; NaN counts as infinite, and two equal infinities as no difference. */
export function worstDifference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = got[i] === want[i] ? 0 : Math.abs(got[i] - want[i]);
    worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
  }
  return worst;
}

/** |got − want| ≤ 1e-5 + 1e-4 · max|want|, elementwise; returns the largest difference over max|want|. */
export function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, name: string, most?: number): number {
  assert.equal(got.length, want.length, `${name}: number of elements`);
  const [worst, scale] = [worstDifference(got, want), largest(finite(want))];
  assert.ok(
    worst <= (most === undefined ? 1e-5 + 1e-4 * scale : most * scale),
    `${name}: differs by ${worst}, the largest is ${scale}`,
  );
  return scale === 0 ? 0 : worst / scale;
}

/** The tolerance of logits and metrics: 1e-4 + 1e-5 · max|want|. */
export function assertLogitsClose(got: ArrayLike<number>, want: ArrayLike<number>, name: string): void {
  assert.equal(got.length, want.length, `${name}: number of elements`);
  const worst = worstDifference(got, want);
  assert.ok(worst <= 1e-4 + 1e-5 * largest(want), `${name}: differs by ${worst}, the largest is ${largest(want)}`);
}

/** Without its mean. */
export function centred(values: Float32Array): Float32Array {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.map((x) => x - mean);
}

function finite(values: ArrayLike<number>): number[] {
  return Array.from(values).filter(Number.isFinite);
}
