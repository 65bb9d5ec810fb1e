import type { SaeArchitecture } from "./architecture.ts";
import { standard } from "./standard.ts";

/** Top-k SAE (Gao et al. 2024): of a row's relu(z · W_enc + b_enc) the k largest. */
export const topk: SaeArchitecture = { ...standard, topK: "by value" };
