import type { SaeArchitecture } from "./architecture.ts";
import { standard } from "./standard.ts";

/** Transcoder (Dunefsky et al. 2024): a standard SAE that reads a layer's input and writes its output. */
export const transcoder: SaeArchitecture = { ...standard, transcoder: true };
