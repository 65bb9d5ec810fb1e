/**
 * What becomes of the errors of SAEs further up when one below changes, by name.
 *
 * @module
 */

/** They are what those SAEs miss then, or they stay what they were. */
export type DownstreamError = "recomputed" | "frozen";

/** The choices, the default first. */
export const DOWNSTREAM_ERRORS: readonly DownstreamError[] = ["recomputed", "frozen"];
