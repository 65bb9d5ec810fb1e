import { add, relu } from "../../graph/mod.ts";
import type { SaeArchitecture } from "./architecture.ts";

/** ReLU SAE (Bricken et al. 2023, Cunningham et al. 2023): f = relu(z · W_enc + b_enc). */
export const standard: SaeArchitecture = {
  vectors: ["b_enc"],
  activations: (projected, { b_enc }) => relu(add(projected, b_enc)),
};
