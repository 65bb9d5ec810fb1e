/** What an attribution cannot do without: bytes that are read and operations that are done, however it is written. */

/** A GPT-2's and a standard SAE's sizes, the prompt's, and how much of the SAE is active. */
export interface Job {
  readonly dModel: number;
  readonly dMlp: number;
  readonly nLayers: number;
  readonly dSae: number;
  /** The SAE is at this block's input: below it nothing is differentiated. */
  readonly saeLayer: number;
  readonly tokens: number;
  /** Pairs of position and feature that are active. */
  readonly activations: number;
  /** Features that are active anywhere. */
  readonly features: number;
}

/** Bytes to read and floating-point operations to do. */
export interface Work {
  readonly bytes: number;
  readonly operations: number;
}

const FLOAT = 4;
/** A multiplication and an addition. */
const MULTIPLY_ADD = 2;

/**
 * Weights of every block once, of those from the SAE up once more on the way back, the encoder, decoder rows of active
 * features, embedding rows; products of matrices, with attention over earlier positions only, and in the last block
 * queries, output and MLP at the last position only. What is kept in between, and all that is no product, is not counted.
 */
export function workOf(job: Job): Work {
  const { nLayers, saeLayer, tokens, dModel: d, dSae, activations, features } = job;
  const blocks = nLayers + (nLayers - saeLayer);
  const embeddings = 2 * tokens * d + 2 * d; // of tokens and positions; the two answers' columns
  const floats = blocks * blockFloats(job) + d * dSae + dSae + features * d + d + embeddings;
  const forward = (nLayers - 1) * fullBlock(job, 1) + lastBlock(job, 1);
  const backward = (nLayers - 1 - saeLayer) * fullBlock(job, 2) + lastBlock(job, 2);
  const sae = tokens * d * dSae + activations * d;
  return { bytes: FLOAT * floats, operations: MULTIPLY_ADD * (forward + backward + sae + 2 * d) };
}

/** Projections to q, k, v and out, the MLP, two norms. */
function blockFloats({ dModel: d, dMlp }: Job): number {
  return (4 * d * d + 4 * d) + (2 * d * dMlp + dMlp + d) + 4 * d;
}

/** Multiply-adds at all positions. `attentionTimes`: back through q·k and pattern·v there are two products for each. */
function fullBlock({ dModel: d, dMlp, tokens }: Job, attentionTimes: number): number {
  const pairs = tokens * (tokens + 1) / 2;
  return tokens * (4 * d * d + 2 * d * dMlp) + attentionTimes * 2 * pairs * d;
}

/** The same with keys and values at all positions and the rest at the last one. */
function lastBlock({ dModel: d, dMlp, tokens }: Job, attentionTimes: number): number {
  return tokens * 2 * d * d + 2 * d * d + 2 * d * dMlp + attentionTimes * 2 * tokens * d;
}
