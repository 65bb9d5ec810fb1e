import type { Method } from "./method.ts";
import { relp } from "./relp.ts";

/**
 * RelP without its AH-rule (the rule of attention heads): the LN-, Identity- and Half-rule of {@linkcode relp}, with the
 * gradient going through the attention patterns as through everything else.
 *
 * So RelP's authors run it: the paper (Rezaei Jafari et al. 2025, arXiv 2508.21258) has the AH-rule (Ali et al. 2022), and
 * their code has it as an option, but its default, with which they compare it with patching, is
 * `LRP_rules = ['LN-rule', 'Identity-rule', 'Half-rule']` (github.com/FarnoushRJ/RelP).
 *
 * It is neither a derivative of the metric nor a relevance: a pattern is not a linear function of what flows, so nothing is
 * conserved.
 */
export const relpNoAhRule: Method = {
  title: "relevance through attention patterns (RelP without the AH-rule)",
  vjp: { ...relp.vjp, stop: ["normalizer_scale"] },
};
