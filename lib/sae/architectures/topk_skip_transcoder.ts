import type { SaeArchitecture } from "./architecture.ts";
import { topkTranscoder } from "./topk_transcoder.ts";

/** circuit-tracer's top-k transcoder with a linear path past the features. */
export const topkSkipTranscoder: SaeArchitecture = { ...topkTranscoder, skip: true };
