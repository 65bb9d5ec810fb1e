/**
 * The names of the methods, apart from what they are made of.
 *
 * @module
 */

/** The names, the default first. */
export const METHOD_NAMES = [
  "gradient",
  "frozen-pattern",
  "relp",
  "relp-no-ah-rule",
  "integrated-gradients",
  "frozen-norms",
  "gim",
  "ablation",
] as const;

/** A method's name. */
export type MethodName = typeof METHOD_NAMES[number];

/** Those whose attributions are exact effects. */
export const EXACT_METHODS: readonly MethodName[] = ["ablation"];
