/**
 * What is known of a feature beside its attributions: the tokens that it raises and lowers, where it is active.
 *
 * @module
 */
import type { Attribution } from "../attribution/result.ts";

/** A feature's local dashboard; what is not known is absent. */
export interface FeatureCard {
  /** The tokens whose logits it raises most, and how much per unit of its activation; largest first. */
  readonly raised?: readonly TokenLogit[];
  /** The tokens whose logits it lowers most; the lowest first. */
  readonly lowered?: readonly TokenLogit[];
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
export type TokenLogit = readonly [token: string, logit: number];

/** A piece of text in which a feature is active. */
export interface FeatureContext {
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

/** Makes the cards of the `most` strongest features. */
export function featureCards(_result: Attribution, _hook: string, _most: number): Promise<FeatureCards> {
  return Promise.resolve({ cards: {}, noLogits: "not computed yet" });
}
