/**
 * A sparse autoencoder: encoding in slices of features, decoding from the rows of active features only.
 *
 * @module
 */
import { DENO_INSPECT, type Inspect, showFields } from "../inspect.ts";
import { quote } from "../quote.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { FloatTensor } from "../runtime/tensor.ts";
import { hashFiles } from "../weights/files/hash.ts";
import { keepTensor } from "../weights/tensors/kept.ts";
import { type Need, someRows, wholeTensors } from "../weights/tensors/needs.ts";
import type { TensorStore } from "../weights/tensors/tensors.ts";
import { findArchitecture } from "./architectures/mod.ts";
import { type SaeConfig, writtenHooks } from "./config.ts";
import { type Decoder, readDecoderNorms, visitDecoderRows, visitDecoderSlices } from "./decoder.ts";
import { encodeFeatures, type FeatureEncoders, readEncoders } from "./encoder.ts";
import { normalize, type Normalized } from "./normalization.ts";
import { linear, timesMatrix } from "./products.ts";
import { tensorShapes } from "./tensor_shapes.ts";
import { NonFiniteActivation, type SparseActivations } from "./sparse.ts";

export type { FeatureEncoders } from "./encoder.ts";

/** What an SAE makes of its input. */
export interface Encoded {
  /** f: the active features of every row. */
  readonly activations: SparseActivations;
  /** How the decoder's sum goes back: x̂ = (f · W_dec) · scale + bias. */
  readonly normalized: Normalized;
  /** By feature, where activations are in units of their decoder row's norm: that norm, `[d_sae]`. */
  readonly decoderNorms?: Float32Array;
}

/** An SAE that has been opened. Its weights stay on disk until they are used. */
export interface Sae extends AsyncDisposable {
  /** Its settings. */
  readonly config: SaeConfig;
  /** Where it came from: a directory, URL or bundled name. */
  readonly source: string;
  /** What a public name stands for, in one line. */
  readonly resolved?: string;
  /** Its directory or URL. */
  readonly location: string;
  /** Where it reads, a TransformerLens hook name. */
  readonly hookIn: string;
  /** Where it writes. Results are keyed by it. */
  readonly hookOut: string;
  /** Every hook that its features write: `hookOut`, and of a cross-layer transcoder those of the later layers. */
  readonly hooksOut: readonly string[];
  /** Settings and tensors of its files that are not used and change no number. */
  readonly unused?: readonly string[];
  /** For bundled SAEs: what each feature stands for. */
  labels(): Promise<ReadonlyMap<number, string>>;
  /** Encodes rows `[row, d_in]` (heads flattened): the positions of one prompt in order, which matters to temporal SAEs. */
  encode(runtime: Runtime, x: Float32Array): Promise<Encoded>;
  /** x̂ from activations, `[row, d_out]`; where there are several hooks to write, side by side `[row, hook · d_out]`. */
  decode(encoded: Encoded): Promise<Float32Array>;
  /**
   * Rows of W_dec, `[feature, hook · d_out]`: what a feature writes where its activation and the scale are 1.
   *
   * @param norms by feature, what its row is divided by: an `Encoded`'s `decoderNorms`
   */
  decoderRows(features: readonly number[], norms?: Float32Array): Promise<Float32Array>;
  /**
   * For each entry of the activations, the product of its decoder row with the gradient's row, times the scale.
   *
   * @param gradient `[row, d_out]`; where there are several hooks to write, side by side `[row, hook · d_out]`
   */
  activeGradients(encoded: Encoded, gradient: Float32Array): Promise<Float32Array>;
  /** The same for all features, `[row, d_sae]`. */
  denseGradients(encoded: Encoded, gradient: Float32Array): Promise<FloatTensor>;
  /**
   * What features read: their preactivations are rows of the normalised input times these, plus the biases.
   *
   * @throws {RangeError} if the architecture's features are no function of one product each
   */
  encoders(features: readonly number[]): Promise<FeatureEncoders>;
  /** What each entry of the activations writes: activation · scale · decoder row, `[entry, hook · d_out]`. */
  contributions(encoded: Encoded): Promise<Float32Array>;
  /** The gradient `[row, d_in]` that takes the linear path past the features; undefined where there is none. */
  skipGradient(runtime: Runtime, gradient: Float32Array): Promise<Float32Array | undefined>;
  /**
   * From now on decoder rows have norm 1 and activations are multiplied by the norm that they had: SAELens's
   * `fold_W_dec_norm`. The reconstruction does not change.
   *
   * @throws {RangeError} if other features would be active: a top-k SAE that was not trained so, matching pursuit, temporal
   */
  foldWDecNorm(): void;
  /** What of its files a prompt of so many tokens will read, for its price where they are fetched. */
  needs(tokens: number): Need[];
  /** SHA-256 of its files by path; null where they are not local. */
  fileHashes(): Promise<Record<string, string | null>>;
  /** Gives back its files. */
  close(): Promise<void>;
}

/** What {@linkcode TensorSae} has beside its settings and weights. */
export interface TensorSaeOptions {
  /** What each feature stands for. */
  readonly labels?: () => Promise<ReadonlyMap<number, string>>;
  /** What a public name stands for, in one line. */
  readonly resolved?: string;
  /** What its files have beside what is used. */
  readonly unused?: readonly string[];
  /** Weights stay in memory once they have been read. Default: they are read whenever they are used. */
  readonly isResident?: boolean;
  /** Gives back its files, where they are not its alone. */
  readonly close?: () => Promise<void>;
}

let count = 0;

/** Features active at a token, where no setting says it: about as many as in most published SAEs. */
const USUAL_L0 = 64;

/** An SAE over tensors under SAELens's names: W_enc `[d_in, d_sae]`, W_dec `[d_sae, d_out]`, b_dec, … */
export class TensorSae implements Sae {
  /** Its settings. */
  readonly config: SaeConfig;
  /** Where it came from: a directory, URL or bundled name. */
  readonly source: string;
  /** What a public name stands for, in one line. */
  readonly resolved?: string;
  /** Every hook that its features write. */
  readonly hooksOut: readonly string[];
  /** What its files have beside what is used. */
  readonly unused?: readonly string[];
  readonly #store: TensorStore;
  readonly #options: TensorSaeOptions;
  readonly #decoder: Decoder;
  #bDec: Promise<Float32Array> | undefined;
  #decoderNorms: Promise<Float32Array> | undefined;
  #foldsNorms: boolean;
  readonly #key = `sae ${++count}:`;
  /** Where its weights stay. */
  readonly #runtimes = new Set<Runtime>();

  /**
   * From a config and the tensors that it promises; nothing is read yet.
   *
   * @throws {RangeError} if the architecture is not supported
   * @throws {TypeError} if a tensor is missing or has another shape than the config says
   */
  constructor(
    config: SaeConfig,
    store: TensorStore,
    source: string,
    options: TensorSaeOptions = {},
  ) {
    this.config = config;
    this.source = source;
    this.resolved = options.resolved;
    this.unused = options.unused;
    this.hooksOut = writtenHooks(config);
    this.#options = options;
    this.#foldsNorms = config.rescaleActsByDecoderNorm;
    const { dOut, dSae } = config;
    const d = dOut * this.hooksOut.length;
    for (const [name, shape] of Object.entries(tensorShapes(config))) {
      const found = store.tensors.get(name)?.shape;
      if (!found) throw new TypeError(`The SAE in ${source} has no tensor "${name}"`);
      if (found.join() !== shape.join()) {
        throw new TypeError(
          `The SAE in ${source} has ${name} of shape ${quote(found)}, its cfg.json says ${quote(shape)}`,
        );
      }
    }
    this.#store = options.isResident ? keepTensor(store, "W_dec") : store;
    this.#decoder = { store: this.#store, dSae, d };
  }

  get location(): string {
    return this.#store.source.location;
  }

  get hookIn(): string {
    return this.config.hookIn;
  }

  get hookOut(): string {
    return this.config.hookOut;
  }

  labels(): Promise<ReadonlyMap<number, string>> {
    return this.#options.labels?.() ?? Promise.resolve(new Map());
  }

  async encode(runtime: Runtime, x: Float32Array): Promise<Encoded> {
    try {
      return await this.#encode(runtime, x);
    } catch (error) {
      if (!(error instanceof NonFiniteActivation)) throw error;
      throw new NonFiniteActivation({ ...error.at, sae: `the SAE at ${this.hookOut}` });
    }
  }

  async #encode(runtime: Runtime, x: Float32Array): Promise<Encoded> {
    const { dIn } = this.config;
    const architecture = findArchitecture(this.config.architecture);
    const normalized = normalize(x, await this.#decoderBias(), this.config);
    const rows = x.length / dIn;
    if (architecture.encode) {
      const { config } = this;
      const own = { runtime, store: this.#store, z: normalized.input, rows, config };
      const { activations, written } = await architecture.encode(own);
      const { bias, scale } = normalized;
      written?.forEach((value, i) => bias[i] += value * scale[Math.floor(i / config.dOut)]);
      return { activations, normalized };
    }
    if (architecture.skip) {
      const skipped = await linear({ runtime, store: this.#store }, "W_skip", x);
      skipped.forEach((value, i) => normalized.bias[i] += value);
    }
    const decoderNorms = this.#foldsNorms
      ? await (this.#decoderNorms ??= readDecoderNorms(this.#decoder, this.config.normScalingFactor))
      : undefined;
    const activations = await encodeFeatures(
      { runtime, store: this.#store, config: this.config, resident: this.#residentKey(runtime) },
      normalized.input,
      decoderNorms,
    );
    return { activations, normalized, decoderNorms };
  }

  async decode({ activations, normalized, decoderNorms }: Encoded): Promise<Float32Array> {
    const { dOut } = this.config;
    const { d } = this.#decoder;
    const sum = new Float64Array(activations.rows * d);
    await visitDecoderRows(this.#decoder, activations, decoderNorms, (row, entry, r) => {
      const value = activations.values[entry];
      const at = r * d;
      for (let i = 0; i < d; i++) sum[at + i] += value * row[i];
    });
    return Float32Array.from(sum, (x, i) => {
      const r = Math.floor(i / d);
      const bias = i - r * d < dOut ? normalized.bias[r * dOut + i - r * d] : 0; // of its own layer only
      return x * normalized.scale[r] + bias;
    });
  }

  async decoderRows(features: readonly number[], norms?: Float32Array): Promise<Float32Array> {
    const { d } = this.#decoder;
    const rows = new Float32Array(features.length * d);
    const entries = { rows: 1, offsets: Uint32Array.of(0, features.length), features: Uint32Array.from(features) };
    await visitDecoderRows(this.#decoder, entries, norms, (row, entry) => rows.set(row, entry * d));
    return rows;
  }

  async activeGradients(
    { activations, normalized, decoderNorms }: Encoded,
    gradient: Float32Array,
  ): Promise<Float32Array> {
    const { d } = this.#decoder;
    const gradients = new Float32Array(activations.values.length);
    await visitDecoderRows(this.#decoder, activations, decoderNorms, (row, entry, r) => {
      const at = r * d;
      let dot = 0;
      for (let i = 0; i < d; i++) dot += gradient[at + i] * row[i];
      gradients[entry] = dot * normalized.scale[r];
    });
    return gradients;
  }

  async denseGradients(
    { activations, normalized, decoderNorms }: Encoded,
    gradient: Float32Array,
  ): Promise<FloatTensor> {
    const { dSae } = this.config;
    const { d } = this.#decoder;
    const { rows } = activations;
    const data = new Float32Array(rows * dSae);
    await visitDecoderSlices(this.#decoder, (weights, start, end) => {
      for (let r = 0; r < rows; r++) {
        for (let f = start; f < end; f++) {
          let dot = 0;
          for (let i = 0; i < d; i++) dot += gradient[r * d + i] * weights[(f - start) * d + i];
          data[r * dSae + f] = dot * normalized.scale[r] / (decoderNorms?.[f] ?? 1);
        }
      }
    });
    return { dims: [rows, dSae], data };
  }

  encoders(features: readonly number[]): Promise<FeatureEncoders> {
    return readEncoders({ store: this.#store, config: this.config }, features);
  }

  async contributions({ activations, normalized, decoderNorms }: Encoded): Promise<Float32Array> {
    const { d } = this.#decoder;
    const written = new Float32Array(activations.values.length * d);
    await visitDecoderRows(this.#decoder, activations, decoderNorms, (row, entry, r) => {
      const factor = activations.values[entry] * normalized.scale[r];
      for (let i = 0; i < d; i++) written[entry * d + i] = factor * row[i];
    });
    return written;
  }

  async skipGradient(runtime: Runtime, gradient: Float32Array): Promise<Float32Array | undefined> {
    if (!findArchitecture(this.config.architecture).skip) return undefined;
    return await timesMatrix({ runtime, store: this.#store }, "W_skip", gradient);
  }

  needs(tokens: number): Need[] {
    const { config } = this;
    const { encode } = findArchitecture(config.architecture);
    const names = Object.keys(tensorShapes(config)).filter((name) => name !== "W_dec");
    const active = Math.min(config.dSae, tokens * (config.k ?? USUAL_L0));
    const needsAll = this.#foldsNorms || encode !== undefined;
    return [
      ...wholeTensors(this.#store, "encoder", names),
      ...someRows(this.#store, "decoder rows", "W_dec", needsAll ? config.dSae : active),
    ];
  }

  fileHashes(): Promise<Record<string, string | null>> {
    return hashFiles(this.#store.source, [...new Set([...this.#store.tensors.values()].map(({ file }) => file))]);
  }

  foldWDecNorm(): void {
    const { architecture, rescaleActsByDecoderNorm } = this.config;
    const { topK, encode } = findArchitecture(architecture);
    if (encode || (topK && !rescaleActsByDecoderNorm)) {
      throw new RangeError(`Decoder norms cannot be folded into ${architecture}: other features would be active`);
    }
    this.#foldsNorms = true;
  }

  async close(): Promise<void> {
    for (const runtime of this.#runtimes) await runtime.forget(this.#key);
    this.#runtimes.clear();
    await (this.#options.close?.() ?? this.#store.source.close());
  }

  /** What `console.log` shows. */
  [DENO_INSPECT](inspect: Inspect, options: unknown): string {
    const { source, resolved, hookIn, hookOut, location, config: { architecture, dIn, dOut, dSae, k } } = this;
    const reads = hookIn === hookOut ? undefined : hookIn;
    const fields = { source, resolved, architecture, hookIn: reads, hookOut, dIn, dOut, dSae, k, location };
    return showFields("Sae", fields, inspect, options);
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What a runtime knows its weights by, if they stay there. */
  #residentKey(runtime: Runtime): string | undefined {
    if (!this.#options.isResident) return undefined;
    this.#runtimes.add(runtime);
    return this.#key;
  }

  #decoderBias(): Promise<Float32Array> {
    const adds = findArchitecture(this.config.architecture).adds?.(this.config) ?? true;
    if (!adds) return this.#bDec ??= Promise.resolve(new Float32Array(this.config.dOut));
    const { pursuit, normScalingFactor: folded = 1 } = this.config;
    return this.#bDec ??= this.#store.read("b_dec").then((bDec) => pursuit ? bDec.map((x) => x / folded) : bDec);
  }
}
