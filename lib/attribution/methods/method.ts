/**
 * What a method of attribution is.
 *
 * @module
 */
import type { VjpOptions } from "../../graph/mod.ts";

/** A method: activation × some gradient, or the exact effect. */
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
  /** Attributions are exact effects, not activation × gradient; the gradient says which come first. */
  readonly exact?: boolean;
  /** What outputs call it with a baseline, where "activation" does not become "(activation − baseline)". */
  readonly baselineTitle?: string;
}
