import { add } from "../../graph/mod.ts";
import type { SaeArchitecture } from "./architecture.ts";

/** AbsTopK SAE (arXiv 2510.00404): of a row's z · W_enc + b_enc the k largest by magnitude, signs kept. */
export const abstopk: SaeArchitecture = {
  vectors: ["b_enc"],
  activations: (projected, { b_enc }) => add(projected, b_enc),
  topK: "by magnitude",
};
