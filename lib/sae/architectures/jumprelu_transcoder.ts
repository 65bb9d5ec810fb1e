import type { SaeArchitecture } from "./architecture.ts";
import { jumprelu } from "./jumprelu.ts";

/** A transcoder with JumpReLU's activation. */
export const jumpreluTranscoder: SaeArchitecture = { ...jumprelu, transcoder: true };
