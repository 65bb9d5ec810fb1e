import type { SaeArchitecture } from "./architecture.ts";
import { jumpreluTranscoder } from "./jumprelu_transcoder.ts";

/** A transcoder with JumpReLU's activation and a linear path past the features. */
export const jumpreluSkipTranscoder: SaeArchitecture = { ...jumpreluTranscoder, skip: true };
