import { add, greater, relu, type Value, where } from "../../graph/mod.ts";
import type { SaeArchitecture } from "./architecture.ts";

/**
 * JumpReLU SAE (Rajamanoharan et al. 2024): f = relu(h) · 1[h > threshold], h = z · W_enc + b_enc.
 * Batch top-k SAEs (Bussmann et al. 2024) are saved in this form.
 */
export const jumprelu: SaeArchitecture = {
  vectors: ["b_enc", "threshold"],
  activations(projected, { b_enc, threshold }): Value {
    const pre = add(projected, b_enc);
    return where(greater(pre, threshold), relu(pre), 0);
  },
};
