/**
 * Architectures whose features are functions of one product each, h = z · W_enc.
 *
 * @module
 */
import { add, exp, greater, mul, relu, type Value, where } from "../../graph/mod.ts";
import type { SaeArchitecture } from "./architecture.ts";

/** f = h + b_enc, as signed as it comes: of top-k architectures that keep negative activations. */
export const linear: SaeArchitecture = {
  vectors: ["b_enc"],
  activations: (projected, { b_enc }) => add(projected, b_enc),
};

/** ReLU SAE (Bricken et al. 2023, Cunningham et al. 2023): f = relu(h + b_enc). */
export const standard: SaeArchitecture = {
  vectors: ["b_enc"],
  activations: (projected, { b_enc }) => relu(add(projected, b_enc)),
};

/**
 * JumpReLU SAE (Rajamanoharan et al. 2024): f = relu(p) · 1[p > threshold], p = h + b_enc.
 * Batch top-k SAEs (Bussmann et al. 2024) are saved in this form.
 */
export const jumprelu: SaeArchitecture = {
  vectors: ["b_enc", "threshold"],
  activations(projected, { b_enc, threshold }): Value {
    const pre = add(projected, b_enc);
    return where(greater(pre, threshold), relu(pre), 0);
  },
};

/** Gated SAE (Rajamanoharan et al. 2024): f = 1[h + b_gate > 0] · relu(h · e^r_mag + b_mag), one W_enc for both paths. */
export const gated: SaeArchitecture = {
  vectors: ["b_gate", "r_mag", "b_mag"],
  activations(projected, { b_gate, r_mag, b_mag }): Value {
    const magnitude = relu(add(mul(projected, exp(r_mag)), b_mag));
    return where(greater(add(projected, b_gate), 0), magnitude, 0);
  },
};
