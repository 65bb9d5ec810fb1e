/**
 * What an intervention does to an activation, by name.
 *
 * @module
 */

/** The new activation is the value, the old one plus the value, or the old one times the value. */
export type InterventionKind = "set" | "add" | "scale";

/** The choices by name. */
export const INTERVENTION_KINDS: readonly InterventionKind[] = ["set", "add", "scale"];
