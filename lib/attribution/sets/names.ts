/**
 * The choices about sets of features by name.
 *
 * @module
 */

/** What a set has: features at one position each, or at all positions. */
export type SetUnit = "feature-position" | "feature";

/** The choices by name. */
export const SET_UNITS: readonly SetUnit[] = ["feature-position", "feature"];

/**
 * What is asked of a set: `sufficient`, that it keeps the answer alone; `necessary`, that the answer goes with it;
 * `both` of the same set.
 */
export type SetDirection = "sufficient" | "necessary" | "both";

/** The choices by name. */
export const SET_DIRECTIONS: readonly SetDirection[] = ["sufficient", "necessary", "both"];

/** Which features come first in a curve. */
export type FeatureOrder = "attribution" | "learnt";

/** The choices by name. */
export const FEATURE_ORDERS: readonly FeatureOrder[] = ["attribution", "learnt"];
