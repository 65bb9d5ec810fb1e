/**
 * The names of the methods, apart from what they are made of.
 *
 * @module
 */

/** The names, the default first. */
export const METHOD_NAMES = ["gradient", "frozen-pattern", "relp", "relp-no-ah-rule", "integrated-gradients"] as const;

/** A method's name. */
export type MethodName = typeof METHOD_NAMES[number];
