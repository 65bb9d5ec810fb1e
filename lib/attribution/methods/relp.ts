import { activationSecant, halvedProduct } from "../../graph/mod.ts";
import type { Method } from "./method.ts";

/**
 * Relevance patching, RelP (Rezaei Jafari et al. 2025, arXiv 2508.21258): activation × a gradient by the propagation rules of
 * LRP, layer-wise relevance propagation.
 *
 * `f · ∂metric/∂f` in the network in which these are constants of the run, so that it is linear in what flows:
 * - the scale of every norm (LayerNorm's centring stays);
 * - the attention patterns;
 * - act(x)/x of every MLP neuron, so that act(x) becomes x · [act(x)/x];
 * - of a gated MLP's product a · b, half of each factor: ½ (a · [b] + [a] · b).
 *
 * Then the metric, if it is linear in the logits, is the relevance of the values at a hook plus what biases above the hook
 * contribute (conservation).
 *
 * These are the paper's LN-, AH-, Identity- and Half-rule. Its authors' code leaves out the AH-rule by default, the constant
 * patterns: that is {@linkcode ./relp_no_ah_rule.ts | a method of its own}, which says less about sums and, where patterns
 * matter, more about single features.
 *
 * It is not a derivative of the metric, so no estimate of a small change; and conservation is arithmetic, which says
 * nothing about whether single attributions are right. A soft cap of the logits, and one of the metric's own (a
 * probability), keep their plain derivatives.
 */
export const relp: Method = {
  title: "relevance (RelP)",
  vjp: {
    stop: ["normalizer_scale", "attention_pattern"],
    rules: { activation: activationSecant, gate: halvedProduct },
  },
};
