import { add } from "../../graph/mod.ts";
import type { SaeArchitecture } from "./architecture.ts";

/** circuit-tracer's top-k transcoder: of a row's z · W_enc + b_enc the k largest stay, also where they are negative. */
export const topkTranscoder: SaeArchitecture = {
  vectors: ["b_enc"],
  activations: (projected, { b_enc }) => add(projected, b_enc),
  topK: "by value",
  transcoder: true,
};
