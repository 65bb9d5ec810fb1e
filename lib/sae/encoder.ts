/**
 * The encoder of most architectures: activations of all features, a slice after another.
 *
 * @module
 */
import { add, type Graph, input, matMul, mul, type Value } from "../graph/mod.ts";
import { type Runtime, type Session, SLICE_BYTES } from "../runtime/runtime.ts";
import type { FloatTensor, Tensor } from "../runtime/tensor.ts";
import { readAhead } from "../weights/tensors/read_ahead.ts";
import { findArchitecture } from "./architectures/mod.ts";
import type { SaeConfig } from "./config.ts";
import { type Matrices, timesMatrix } from "./products.ts";
import { NonFiniteActivation, type SparseActivations, SparseBuilder } from "./sparse.ts";

/** Columns of W_enc lie apart in the file: reads shorter than this cost more than their bytes … */
const MIN_READ_BYTES = 32 * 2 ** 10;
/** … but a slice never has more than this. */
const MAX_SLICE_BYTES = 64 * 2 ** 20;
/** Up to so many bytes of projections, W_enc is read in whole rows, in long reads … */
const PROJECTED_BYTES = 8 * 2 ** 20;
/** … so many bytes at once, twice. */
const ROW_SLICE_BYTES = 8 * 2 ** 20;

/** The graph input of decoder norms. */
const NORMS = "decoder norms";

/** Where W_enc and the vectors of features are. */
export interface Encoder extends Matrices {
  readonly config: SaeConfig;
  /** Where weights stay in the runtime's memory: what it knows them by. */
  readonly resident?: string;
}

/**
 * f from the normalised input.
 *
 * @param data `[row, d_in]`
 * @param decoderNorms by feature, what its activation is multiplied by
 */
export async function encodeFeatures(
  encoder: Encoder,
  data: Float32Array,
  decoderNorms?: Float32Array,
): Promise<SparseActivations> {
  const { runtime, store, config } = encoder;
  const { dIn, dSae } = config;
  const architecture = findArchitecture(config.architecture);
  const rows = data.length / dIn;
  const z: Tensor = { dims: [rows, dIn], data };
  const activated = (projected: Value): Graph => {
    const vectors = architecture.vectors.map((v) => [v, input(v, ["feature"])]);
    // Comparisons would lose what is not finite; adding 0 to what is changes nothing.
    const activations = add(architecture.activations!(projected, Object.fromEntries(vectors)), mul(projected, 0));
    return { activations: decoderNorms ? mul(activations, input(NORMS, ["feature"])) : activations };
  };
  const names = [...architecture.vectors, ...(decoderNorms ? [NORMS] : [])];
  const vectors = await Promise.all(architecture.vectors.map((v) => store.read(v)));
  vectors.forEach(checkNumbers);
  if (decoderNorms) vectors.push(decoderNorms);
  const builder = new SparseBuilder(rows, architecture.topK && { k: config.k!, by: architecture.topK });
  const slice = (start: number, end: number): Record<string, Tensor> =>
    Object.fromEntries(vectors.map((v, i) => [names[i], { dims: [end - start], data: v.subarray(start, end) }]));
  const finish = async (
    session: Session,
    inputs: Record<string, Tensor>,
    start: number,
    end: number,
  ): Promise<void> => {
    const { activations } = await session.run({ ...inputs, ...slice(start, end) });
    builder.add(activations as FloatTensor, start);
  };
  const encoded = activated(matMul(input("z", ["row", dIn]), input("W_enc", [dIn, "feature"])));
  if (encoder.resident !== undefined) {
    const step = sliceColumns(config, runtime.sliceBytes);
    for (let start = 0; start < dSae; start += step) {
      const end = Math.min(dSae, start + step);
      const session = await runtime.session(encoded, {
        key: `${encoder.resident} from ${start} ${decoderNorms !== undefined}`,
        load: async () => ({
          W_enc: { dims: [dIn, end - start], data: await store.readColumnRange("W_enc", start, end) },
          ...slice(start, end),
        }),
      });
      builder.add((await session.run({ z })).activations as FloatTensor, start);
    }
  } else if (!store.tensors.get("W_enc")!.turned && rows * dSae * 4 <= PROJECTED_BYTES) {
    const projected: Tensor = { dims: [rows, dSae], data: await timesMatrix(encoder, "W_enc", data, ROW_SLICE_BYTES) };
    const session = await runtime.session(activated(input("projected", ["row", "feature"])));
    await finish(session, { projected }, 0, dSae);
  } else {
    const session = await runtime.session(encoded);
    await encoderSlices(encoder, (W_enc, start, end) => finish(session, { z, W_enc }, start, end), runtime);
  }
  return builder.finish();
}

/** A bias or threshold may be infinite: its feature is never active then, or always. */
function checkNumbers(vector: Float32Array): void {
  const feature = vector.findIndex(Number.isNaN);
  if (feature >= 0) throw new NonFiniteActivation({ feature, value: NaN, row: 0 });
}

/** How many features a slice has. */
function sliceColumns({ dIn, dSae }: SaeConfig, sliceBytes: number = SLICE_BYTES): number {
  const columns = (bytes: number): number => Math.max(1, Math.floor(bytes / 4 / dIn));
  return Math.min(dSae, Math.max(columns(sliceBytes), Math.min(MIN_READ_BYTES / 4, columns(MAX_SLICE_BYTES))));
}

/** Visits W_enc in slices of features, the next one read while the current one is used. */
async function encoderSlices(
  encoder: Omit<Encoder, "runtime">,
  visit: (weight: FloatTensor, start: number, end: number) => Promise<void>,
  runtime?: Runtime,
): Promise<void> {
  const { store, config } = encoder;
  const { dIn, dSae } = config;
  const step = sliceColumns(config, runtime?.sliceBytes);
  await readAhead(
    dSae,
    step,
    step * dIn,
    async (start, end, buffer) => {
      const data = await store.readColumnRange("W_enc", start, end, buffer);
      return { dims: [dIn, end - start], data };
    },
    visit,
    runtime?.memory,
  );
}

/** What some features read. */
export interface FeatureEncoders {
  /** Columns of W_enc, `[feature, d_in]`; a gated SAE's times e^r_mag. */
  readonly weights: Float32Array;
  /** b_enc, a gated SAE's b_mag, `[feature]`. */
  readonly biases: Float32Array;
}

/**
 * Columns of W_enc and biases of some features.
 *
 * @throws {RangeError} if the architecture's features are no function of one product each
 */
export async function readEncoders(
  encoder: Omit<Encoder, "runtime">,
  features: readonly number[],
): Promise<FeatureEncoders> {
  const { store, config: { architecture, dIn } } = encoder;
  const { vectors, encode } = findArchitecture(architecture);
  if (encode) throw new RangeError(`A feature of a ${architecture} SAE has no preactivation of its own to trace`);
  const weights = new Float32Array(features.length * dIn);
  const set = (i: number, column: Float32Array): void => weights.set(column, i * dIn);
  if (store.tensors.get("W_enc")!.turned) {
    for (const [i, f] of features.entries()) set(i, await store.readColumnRange("W_enc", f, f + 1));
  } else {
    const wanted = features.map((feature, i) => ({ feature, i })).sort((a, b) => a.feature - b.feature);
    let next = 0;
    await encoderSlices(encoder, ({ data }, start, end) => {
      for (; next < wanted.length && wanted[next].feature < end; next++) {
        const at = wanted[next].feature - start;
        set(wanted[next].i, Float32Array.from({ length: dIn }, (_, d) => data[d * (end - start) + at]));
      }
      return Promise.resolve();
    });
  }
  const bias = await store.read(vectors.includes("b_mag") ? "b_mag" : "b_enc");
  if (vectors.includes("r_mag")) {
    const rMag = await store.read("r_mag");
    features.forEach((f, i) => set(i, weights.slice(i * dIn, (i + 1) * dIn).map((w) => w * Math.exp(rMag[f]))));
  }
  return { weights, biases: Float32Array.from(features, (f) => bias[f]) };
}
