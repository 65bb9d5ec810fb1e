import type { Method } from "./method.ts";

/**
 * Exact ablation: metric − metric(without the feature at this position), the rest of the model run again for every active
 * feature; with a baseline, metric − metric(the feature at its baseline).
 *
 * The encoder does not run again and the SAE's error stays what it was; attention patterns and norms move. Without limits
 * all rows are exact; with `exact: { rows }` or `{ budget }` the strongest by gradient are, and the others are the
 * gradient's, which every row says (`exact`).
 *
 * It is not additive: what two features do together is not the sum of what each does alone. What adds up (features, bias
 * and error by position) stays the gradient's.
 */
export const ablation: Method = {
  title: "exact effect of removing each feature",
  baselineTitle: "exact effect of putting each feature to its baseline",
  vjp: {},
  exact: true,
};

/** Which rows are exact, and of which it is said how far they can be trusted. */
export interface ExactOptions {
  /** Of the method `ablation`: only so many rows are exact, the strongest by gradient over all SAEs. Default: all. */
  readonly rows?: number;
  /** Of the method `ablation`: as many rows are exact, the strongest by gradient first, as so many seconds allow. */
  readonly budget?: number;
  /**
   * Of other methods: at every SAE, so many of the strongest rows, and as many of the others which are least reliable, are
   * exact: those whose attribution is furthest from a cheap second-order estimate of their effect.
   */
  readonly refine?: number;
  /** At every SAE, the curvature and the second-order estimate of so many of the strongest rows. */
  readonly curvature?: number;
}
