import { add, exp, greater, mul, relu, type Value, where } from "../../graph/mod.ts";
import type { SaeArchitecture } from "./architecture.ts";

/**
 * Gated SAE (Rajamanoharan et al. 2024): f = 1[z · W_enc + b_gate > 0] · relu(z · W_enc · e^r_mag + b_mag), one W_enc for
 * both paths.
 */
export const gated: SaeArchitecture = {
  vectors: ["b_gate", "r_mag", "b_mag"],
  activations(projected, { b_gate, r_mag, b_mag }): Value {
    const magnitude = relu(add(mul(projected, exp(r_mag)), b_mag));
    return where(greater(add(projected, b_gate), 0), magnitude, 0);
  },
};
