import type { SaeArchitecture } from "./architecture.ts";
import { transcoder } from "./transcoder.ts";

/** Transcoder with a linear path past the features (Paulo et al. 2025): x̂ = f · W_dec + b_dec + x · W_skipᵀ. */
export const skipTranscoder: SaeArchitecture = { ...transcoder, skip: true };
