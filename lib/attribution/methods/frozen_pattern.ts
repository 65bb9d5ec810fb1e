import type { Method } from "./method.ts";

/**
 * Activation × gradient with the attention patterns held constant: `f · ∂metric/∂f` in the network in which a head moves
 * values from where it looked in this run, whatever its queries and keys become.
 *
 * So the circuits work does it (Elhage et al. 2021, "A mathematical framework for transformer circuits": the
 * OV circuit alone; Kamath et al. 2025, "Tracing attention computations through feature interactions", on what that
 * leaves out). Norms and activation functions keep their plain derivatives.
 *
 * It is not an estimate of ablating a feature that decides where a head looks: that part of its effect is missing.
 */
export const frozenPattern: Method = {
  title: "activation × gradient with frozen attention patterns",
  vjp: { stop: ["attention_pattern"] },
};
