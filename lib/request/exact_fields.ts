/**
 * The fields of a request that are about exact effects.
 *
 * @module
 */
import type { Field } from "./field.ts";

const BESIDE = "the exact effect of every row stands beside it: leave it out";
const ONE_METHOD = "the curves order features by one method alone: leave it out";
const BUSY = "how many rows a time allows depends on how busy the machine is: say how many rows instead";

/** Which rows are exact, and how far the others are to be trusted. */
export const EXACT_FIELDS = {
  rows: {
    kind: "integer",
    placeholder: "K",
    min: 1,
    help: "of ablation: only the K strongest rows by gradient are exact, the others the gradient's (column exact)",
    refused: { ablate: BESIDE, evaluate: ONE_METHOD },
  },
  budget: {
    kind: "string",
    placeholder: "TIME",
    help: "of ablation: as many rows are exact, the strongest by gradient first, as the time allows (30s, 2m)",
    refused: { ablate: BESIDE, evaluate: ONE_METHOD, batch: BUSY, schedule: BUSY, verify: BUSY },
  },
  refine: {
    kind: "integer",
    placeholder: "K",
    min: 1,
    help: "of other methods: make the K strongest and the K least reliable rows of every SAE exact (column exact)",
    refused: { ablate: BESIDE, evaluate: ONE_METHOD },
  },
  curvature: {
    kind: "integer",
    placeholder: "K",
    min: 1,
    help:
      "two more columns for the K strongest rows of every SAE: how much the gradient changes until the feature is " +
      "removed, and the second-order estimate of its effect; the summary names rows that are not to be trusted",
    refused: { ablate: BESIDE, evaluate: ONE_METHOD, verify: "no figure is about it: leave it out" },
  },
} as const satisfies Readonly<Record<string, Field>>;
