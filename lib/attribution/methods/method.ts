/**
 * What a method of attribution is.
 *
 * @module
 */
import type { VjpOptions } from "../../graph/mod.ts";

/** A method: activation × some gradient. */
export interface Method {
  /** What outputs call it. */
  readonly title: string;
  /** Where its gradient differs from the plain one: roles of the model's parts that are constants, or have own rules. */
  readonly vjp: VjpOptions;
  /** The gradient is its mean on the way from the baseline to the run. */
  readonly integrate?: boolean;
}
