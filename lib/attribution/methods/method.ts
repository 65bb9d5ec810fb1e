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
  /** Its gradient is the metric's derivative at the run, which finite differences and other libraries give too. */
  readonly isDerivative?: boolean;
  /** What the summary's JSON calls it, where that is not the method's name. */
  readonly summaryName?: string;
  /** The gradient is its mean on the way from the baseline to the run. */
  readonly integrate?: boolean;
}
