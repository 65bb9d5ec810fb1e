import type { Method } from "./method.ts";

/**
 * Gradient × activation: `f · ∂metric/∂f`, f an SAE feature's activation at a position.
 *
 * The first-order estimate of what ablating the feature does (Syed, Rager and Conmy 2023, "Attribution patching
 * outperforms automated circuit discovery", arXiv 2310.10348; for SAE features Marks et al. 2024, arXiv 2403.19647, and
 * the notebook that this project follows). The gradient passes straight through every SAE.
 *
 * It is not the effect of the ablation: where attention or a norm reacts to the feature, the two differ. Nor is it what
 * SAELens's `use_error_term` gives, which backpropagates through the SAE.
 */
export const gradient: Method = {
  title: "activation × gradient",
  vjp: {},
  isDerivative: true,
  summaryName: "gradient*activation",
};
