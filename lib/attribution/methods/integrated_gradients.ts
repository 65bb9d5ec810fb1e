import type { Method } from "./method.ts";

/**
 * Integrated gradients over feature activations: `(f − f_base) · ∫ ∂metric/∂f da` along the straight path
 * f_base + a · (f − f_base), a from 0 to 1, all features of an SAE at all positions at once (Sundararajan, Taly and Yan
 * 2017, "Axiomatic attribution for deep networks", arXiv 1703.01365; for SAE features Marks et al. 2024, arXiv
 * 2403.19647). The encoder does not run again, and the SAE's error and scale stay, as in ablation; other SAEs add what
 * they added in the run, as gradients see them. (Marks et al. move the SAE's error along with its features, so that both
 * share what they do together; here it stays, so that the sum is the effect of the features alone, which ablation
 * measures.)
 *
 * Attributions add up to what putting all features to the baseline takes off the metric (completeness); how well they do
 * is the figure by which the number of steps is chosen.
 *
 * It is not the effect of single features: what two of them do together is shared between them along this one path, on
 * which all others are weakened too.
 */
export const integratedGradients: Method = {
  title: "integrated gradients",
  vjp: {},
  integrate: true,
};

/** How the integral is taken. */
export interface IntegrationOptions {
  /** `trapezoid` (the default): a = i / n with half the weight at both ends; `midpoint`: a = (i + ½) / n. */
  readonly rule?: "trapezoid" | "midpoint";
  /** Exactly so many steps. Default: doubled until it has converged. */
  readonly steps?: number;
  /** Converged: what attributions miss of the joint effect is at most this part of it. Default 0.01. */
  readonly tolerance?: number;
  /** No more steps than this. Default 512. */
  readonly mostSteps?: number;
}

/** How an integral was taken, and how well. */
export interface Integration {
  /** Where gradients were taken. */
  readonly rule: "trapezoid" | "midpoint";
  /** How many steps. */
  readonly steps: number;
  /** The metric with all features as in the baseline. */
  readonly metricAtBaseline: number;
  /** metric − that: the joint effect of all features. */
  readonly difference: number;
  /** The sum of the attributions. */
  readonly sum: number;
  /** It is within the tolerance of the difference. */
  readonly converged: boolean;
}

/** The gradient's mean over the path, `[row, d_out]`, at all written hooks `[row, hook · d_out]`, and how it was taken. */
export interface IntegratedGradient {
  /** In the place of the gradient. */
  readonly gradient: Float32Array;
  /** At all hooks that the features write. */
  readonly writtenGradient: Float32Array;
  /** How. */
  readonly integration: Integration;
}
