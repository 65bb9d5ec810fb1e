import type { Method } from "./method.ts";

/**
 * Activation × gradient with the scale of every norm held constant: `f · ∂metric/∂f` in the network in which LayerNorms
 * (their centring stays) and RMSNorms divide by what they divided by in this run.
 *
 * It is one of GIM's rules (Edin et al. 2025, arXiv 2505.17630) and RelP's LN-rule, alone; Elhage et al. 2021 ("A
 * mathematical framework for transformer circuits") freeze norms for the same reason: what a norm takes from one direction
 * because another is there is not that other's doing.
 *
 * It is not an estimate of the ablation, in which the norms move.
 */
export const frozenNorms: Method = {
  title: "activation × gradient with frozen norms",
  vjp: { stop: ["normalizer_scale"] },
};
