import { scaledOperands, softmaxAtTemperature } from "../../graph/mod.ts";
import { frozenNorms } from "./frozen_norms.ts";
import type { Method } from "./method.ts";

/**
 * Gradient interaction modifications, GIM (Edin et al. 2025, "GIM: Improved interpretability for large language models",
 * arXiv 2505.17630): activation × a gradient with other rules for what multiplies in attention.
 *
 * - A softmax's gradient is that at temperature 2, so that scores which share a large weight are not hidden by each other.
 * - The gradients at queries and keys are a quarter, that at values half, so that a product is not counted once for each
 *   of its factors.
 * - The scale of every norm is a constant of the run.
 *
 * These are the rules of its authors' package, gim-explain 0.1.4, which has none for the gates of MLPs.
 *
 * It is not a derivative of the metric, and no estimate of the ablation of single features: of one, others compensate the
 * loss, which is what it leaves out.
 */
export const gim: Method = {
  title: "activation × gradient with GIM's rules",
  vjp: {
    ...frozenNorms.vjp,
    rules: {
      attention_scores: scaledOperands(0.25, 0.25),
      attention_pattern: softmaxAtTemperature(2),
      attention_mix: scaledOperands(1, 0.5),
    },
  },
};
