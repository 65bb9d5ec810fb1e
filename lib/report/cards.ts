/**
 * What is known of a feature beside its attributions: the tokens that it raises and lowers, where it is active.
 *
 * @module
 */
import { NoDirectionError } from "../attribution/circuits/feature_directions.ts";
import { type FeatureLogits, featureLogits } from "../attribution/circuits/feature_logits.ts";
import type { Attribution } from "../attribution/result/result.ts";
import type { AttributionRow } from "../attribution/result/sae_attribution.ts";
import { cached } from "../concurrency.ts";
import { type BundledSae, findBundledModel, findBundledSae } from "../bundled.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import { openBundled } from "../weights/files/bundled.ts";

/** A feature's local dashboard; what is not known is absent. */
export interface FeatureCard {
  /** The tokens whose logits it raises most, and how much per unit of its activation; largest first. */
  readonly raised?: readonly NamedLogit[];
  /** The tokens whose logits it lowers most; the lowest first. */
  readonly lowered?: readonly NamedLogit[];
  /** The share of tokens at which it is active at all, in the texts that its contexts are from. */
  readonly density?: number;
  /** Its largest activation in those texts. */
  readonly largest?: number;
  /** How many activations lie in each of equal parts from 0 to `largest`. */
  readonly histogram?: readonly number[];
  /** Where it is most active; strongest first. */
  readonly contexts?: readonly FeatureContext[];
}

/** A token and a logit. */
export type NamedLogit = readonly [token: string, logit: number];

/** A piece of text in which a feature is active. */
export interface FeatureContext {
  /** Decoded one by one. */
  readonly tokens: readonly string[];
  /** Its activation at each token, in hundredths of `largest`; the last zeros may be missing. */
  readonly levels: readonly number[];
  /** Its largest activation here. */
  readonly activation: number;
}

/** The cards of the strongest features of one SAE. */
export interface FeatureCards {
  readonly cards: Readonly<Record<string, FeatureCard>>;
  /** Why they have no logits. */
  readonly noLogits: string | null;
}

/** Tokens at either end. */
const TOKENS = 10;

/** Makes the cards of the `most` strongest features, over all positions and at each of them. */
export async function featureCards(result: Attribution, hook: string, most: number): Promise<FeatureCards> {
  const { model } = result.parts;
  const sae = result.sae(hook);
  const features = strongestFeatures(result.rows(hook), most);
  const { logits, noLogits } = await logitsOf(model, sae, features);
  const activities = await bundledActivities(model, sae);
  const texts = await textsOf(model, [...logits.values()], features.flatMap((feature) => activities[feature] ?? []));
  const named = (tokens: readonly { id: number; logit: number }[]): NamedLogit[] =>
    tokens.map(({ id, logit }) => [texts.get(id)!, Number(logit.toPrecision(4))]);
  const cards = features.map((feature): [number, FeatureCard] => {
    const found = logits.get(feature);
    return [feature, {
      ...(found === undefined ? {} : { raised: named(found.raised), lowered: named(found.lowered) }),
      ...activityCard(activities[feature], texts),
    }];
  });
  return { cards: Object.fromEntries(cards), noLogits };
}

async function logitsOf(
  model: Model,
  sae: Sae,
  features: readonly number[],
): Promise<{ logits: ReadonlyMap<number, FeatureLogits>; noLogits: string | null }> {
  try {
    const found = await featureLogits(model, sae, features, { top: TOKENS });
    return { logits: new Map(found.map((one) => [one.feature, one])), noLogits: null };
  } catch (error) {
    if (!(error instanceof NoDirectionError)) throw error;
    return { logits: new Map(), noLogits: `${error.message}.` };
  }
}

function activityCard(activity: FeatureActivity | undefined, texts: ReadonlyMap<number, string>): FeatureCard {
  if (activity === undefined) return {};
  const { density, largest, histogram, contexts } = activity;
  return {
    density,
    largest,
    histogram,
    contexts: contexts.map(([ids, levels, activation]) => ({
      tokens: ids.map((id) => texts.get(id)!),
      levels,
      activation,
    })),
  };
}

async function textsOf(
  model: Model,
  logits: readonly FeatureLogits[],
  activities: readonly FeatureActivity[],
): Promise<ReadonlyMap<number, string>> {
  const ids = new Set([
    ...logits.flatMap(({ raised, lowered }) => [...raised, ...lowered].map(({ id }) => id)),
    ...activities.flatMap(({ contexts }) => contexts.flatMap(([tokens]) => tokens)),
  ]);
  return new Map((await model.describeTokens([...ids])).map(({ id, text }) => [id, text === "" ? `#${id}` : text]));
}

/**
 * Features by their best rank in any list that a report may show: by the sum of their attributions, and by their
 * attribution at each position.
 */
export function strongestFeatures(rows: readonly AttributionRow[], most: number): number[] {
  const lists = new Map<number, Map<number, number>>(); // −1: all positions
  for (const { position, feature, attribution } of rows) {
    for (const list of [-1, position]) {
      const sums = lists.get(list) ?? new Map<number, number>();
      lists.set(list, sums.set(feature, (sums.get(feature) ?? 0) + attribution));
    }
  }
  const best = new Map<number, number>();
  for (const sums of lists.values()) {
    const order = [...sums].sort(([f, a], [g, b]) => Math.abs(b) - Math.abs(a) || f - g);
    order.forEach(([feature], rank) => best.set(feature, Math.min(rank, best.get(feature) ?? Infinity)));
  }
  const overall = lists.get(-1) ?? new Map<number, number>();
  const size = (feature: number): number => Math.abs(overall.get(feature)!);
  return [...best].sort(([f, a], [g, b]) => a - b || size(g) - size(f) || f - g).slice(0, most).map(([feature]) =>
    feature
  );
}

/** One feature as the file has it. */
export interface FeatureActivity {
  /** The share of tokens at which it is active at all. */
  readonly density: number;
  /** Its largest activation. */
  readonly largest: number;
  /** Counts in equal parts from 0 to `largest`. */
  readonly histogram: readonly number[];
  /** Token ids, activations in hundredths of `largest` (the last zeros are missing), the largest activation here. */
  readonly contexts: readonly (readonly [ids: readonly number[], levels: readonly number[], activation: number])[];
}

/** By feature, as text. */
export type Activities = Readonly<Record<string, FeatureActivity>>;

const FILE = "contexts.json.gz";

const loaded = new Map<string, Promise<Activities>>();

/** What is known of an SAE's features: nothing, unless it and the model are bundled. */
function bundledActivities(model: Model, sae: Sae): Promise<Activities> {
  const bundled = findBundledModel(model.name) && findBundledSae(sae.source);
  if (!bundled) return Promise.resolve({});
  return cached(loaded, bundled.directory, () => readActivities(bundled));
}

async function readActivities(bundled: BundledSae): Promise<Activities> {
  await using files = openBundled(bundled);
  const size = await files.size(FILE);
  if (size === undefined) return {};
  const bytes = new Uint8Array(await files.read(FILE, 0, size));
  const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { features } = await new Response(text).json() as { features: Activities };
  return features;
}
