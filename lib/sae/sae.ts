/**
 * A sparse autoencoder: encoding in slices of features, decoding from the rows of active features only.
 *
 * @module
 */
import { add, type Graph, input, matMul, mul, swapLast, type Value } from "../graph/mod.ts";
import type { Runtime, Session } from "../runtime/runtime.ts";
import type { FloatTensor, Tensor } from "../runtime/tensor.ts";
import { hashFiles } from "../weights/hash.ts";
import { readAhead } from "../weights/read_ahead.ts";
import type { TensorStore } from "../weights/tensors.ts";
import { findArchitecture, type SaeArchitecture } from "./architectures/mod.ts";
import { type SaeConfig, writtenHooks } from "./config.ts";
import { normalize, type Normalized } from "./normalization.ts";
import { type Selection, type SparseActivations, SparseBuilder } from "./sparse.ts";

/** The most bytes of the encoder that are in memory at once, twice (one slice read ahead). */
const SLICE_BYTES = 24 * 2 ** 20;
/** Columns of W_enc lie apart in the file: reads shorter than this cost more than their bytes … */
const MIN_READ_BYTES = 32 * 2 ** 10;
/** … but a slice never has more than this. */
const MAX_SLICE_BYTES = 64 * 2 ** 20;
/** Up to so many bytes of projections, the encoder is read in rows of W_enc … */
const PROJECTED_BYTES = 8 * 2 ** 20;
/** … so many bytes at once, twice. */
const ROW_SLICE_BYTES = 8 * 2 ** 20;
/** The most bytes of decoder rows in memory at once. */
const DECODER_BYTES = 32 * 2 ** 20;

/** The graph input of decoder norms. */
const NORMS = "decoder norms";

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
  /** For bundled SAEs: what each feature stands for. */
  labels(): Promise<ReadonlyMap<number, string>>;
  /** Encodes rows `[row, d_in]` (heads flattened): the positions of one prompt in order, which matters to temporal SAEs. */
  encode(runtime: Runtime, x: Float32Array): Promise<Encoded>;
  /** x̂ from activations, `[row, d_out]`; where there are several hooks to write, side by side `[row, hook · d_out]`. */
  decode(encoded: Encoded): Promise<Float32Array>;
  /**
   * For each entry of the activations, the product of its decoder row with the gradient's row, times the scale.
   *
   * @param gradient `[row, d_out]`; where there are several hooks to write, side by side `[row, hook · d_out]`
   */
  activeGradients(encoded: Encoded, gradient: Float32Array): Promise<Float32Array>;
  /** The same for all features, `[row, d_sae]`. */
  denseGradients(encoded: Encoded, gradient: Float32Array): Promise<FloatTensor>;
  /**
   * From now on decoder rows have norm 1 and activations are multiplied by the norm that they had: SAELens's
   * `fold_W_dec_norm`. The reconstruction does not change.
   *
   * @throws {RangeError} if other features would be active: a top-k SAE that was not trained so, matching pursuit, temporal
   */
  foldWDecNorm(): void;
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
  /** Gives back its files, where they are not its alone. */
  readonly close?: () => Promise<void>;
}

/** SAELens's least norm of a decoder row when norms are folded. */
const MIN_NORM = 1e-8;

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
  readonly #store: TensorStore;
  readonly #options: TensorSaeOptions;
  /** Numbers per position that a decoder row writes, all hooks together. */
  readonly #dWritten: number;
  #bDec: Promise<Float32Array> | undefined;
  #decoderNorms: Promise<Float32Array> | undefined;
  #foldsNorms: boolean;

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
    this.hooksOut = writtenHooks(config);
    this.#store = store;
    this.#options = options;
    this.#foldsNorms = config.rescaleActsByDecoderNorm;
    const { dIn, dOut, dSae } = config;
    this.#dWritten = dOut * this.hooksOut.length;
    const { vectors, skip, encode, shapes: own } = findArchitecture(config.architecture);
    const shapes = {
      ...(encode ? own?.(config) : { W_enc: [dIn, dSae] }),
      W_dec: [dSae, this.#dWritten],
      b_dec: [dOut],
      ...Object.fromEntries(vectors.map((name) => [name, [dSae]])),
      ...(skip ? { W_skip: [dOut, dIn] } : {}),
    };
    for (const [name, shape] of Object.entries(shapes)) {
      const found = store.tensors.get(name)?.shape;
      if (!found) throw new TypeError(`The SAE in ${source} has no tensor "${name}"`);
      if (found.join() !== shape.join()) {
        throw new TypeError(`The SAE in ${source} has ${name} of shape [${found}], its cfg.json says [${shape}]`);
      }
    }
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
    if (architecture.skip) await this.#addSkip(runtime, x, normalized.bias);
    const decoderNorms = this.#foldsNorms ? await (this.#decoderNorms ??= this.#readDecoderNorms()) : undefined;
    const activations = await this.#activate(runtime, architecture, normalized.input, rows, decoderNorms);
    return { activations, normalized, decoderNorms };
  }

  /** Activations of all features, a slice after another. */
  async #activate(
    runtime: Runtime,
    architecture: SaeArchitecture,
    data: Float32Array,
    rows: number,
    decoderNorms: Float32Array | undefined,
  ): Promise<SparseActivations> {
    const { architecture: name, dIn, dSae } = this.config;
    const z: Tensor = { dims: [rows, dIn], data };
    const key = `sae ${name} ${dIn} ${decoderNorms !== undefined}`;
    const activated = (projected: Value): Graph => {
      const vectors = architecture.vectors.map((v) => [v, input(v, ["feature"])]);
      const activations = architecture.activations!(projected, Object.fromEntries(vectors));
      return { activations: decoderNorms ? mul(activations, input(NORMS, ["feature"])) : activations };
    };
    const names = [...architecture.vectors, ...(decoderNorms ? [NORMS] : [])];
    const vectors = await Promise.all(architecture.vectors.map((v) => this.#store.read(v)));
    if (decoderNorms) vectors.push(decoderNorms);
    const builder = new SparseBuilder(rows, this.#selection());
    const finish = async (
      session: Session,
      inputs: Record<string, Tensor>,
      start: number,
      end: number,
    ): Promise<void> => {
      const slices = vectors.map((v, i): [string, Tensor] => [
        names[i],
        { dims: [end - start], data: v.subarray(start, end) },
      ]);
      const { activations } = await session.run({ ...inputs, ...Object.fromEntries(slices) });
      builder.add(activations as FloatTensor, start);
    };
    if (this.#isReadByRows(rows)) {
      const projected = await this.#projectByRows(runtime, data, rows);
      const session = await runtime.session(`${key} activate`, () => activated(input("projected", ["row", "feature"])));
      await finish(session, { projected }, 0, dSae);
    } else {
      const session = await runtime.session(
        key,
        () => activated(matMul(input("z", ["row", dIn]), input("W_enc", [dIn, "feature"]))),
      );
      await this.#encoderSlices((W_enc, start, end) => finish(session, { z, W_enc }, start, end), dIn, dSae);
    }
    return builder.finish();
  }

  async decode({ activations, normalized, decoderNorms }: Encoded): Promise<Float32Array> {
    const { dOut } = this.config;
    const d = this.#dWritten;
    const sum = new Float64Array(activations.rows * d);
    await this.#decoderRows(activations, decoderNorms, (row, entry, r) => {
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

  async activeGradients(
    { activations, normalized, decoderNorms }: Encoded,
    gradient: Float32Array,
  ): Promise<Float32Array> {
    const d = this.#dWritten;
    const gradients = new Float32Array(activations.values.length);
    await this.#decoderRows(activations, decoderNorms, (row, entry, r) => {
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
    const d = this.#dWritten;
    const { rows } = activations;
    const data = new Float32Array(rows * dSae);
    await this.#decoderSlices((weights, start, end) => {
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

  close(): Promise<void> {
    return this.#options.close?.() ?? this.#store.source.close();
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #decoderBias(): Promise<Float32Array> {
    const adds = findArchitecture(this.config.architecture).adds?.(this.config) ?? true;
    return this.#bDec ??= adds ? this.#store.read("b_dec") : Promise.resolve(new Float32Array(this.config.dOut));
  }

  #selection(): Selection | undefined {
    const { topK } = findArchitecture(this.config.architecture);
    return topK && { k: this.config.k!, by: topK };
  }

  /** Adds x · W_skipᵀ. */
  async #addSkip(runtime: Runtime, x: Float32Array, to: Float32Array): Promise<void> {
    const { dIn, dOut } = this.config;
    const session = await runtime.session(`sae skip ${dIn} ${dOut}`, () => ({
      skip: matMul(input("x", ["row", dIn]), swapLast(input("W_skip", [dOut, dIn]))),
    }));
    const W_skip: Tensor = { dims: [dOut, dIn], data: await this.#store.read("W_skip") };
    const { skip } = await session.run({ x: { dims: [x.length / dIn, dIn], data: x }, W_skip });
    (skip as FloatTensor).data.forEach((value, i) => to[i] += value);
  }

  /** ‖W_dec row‖ by feature, of W_dec with the norm scaling factor folded. */
  async #readDecoderNorms(): Promise<Float32Array> {
    const { dSae, normScalingFactor = 1 } = this.config;
    const d = this.#dWritten;
    const norms = new Float32Array(dSae);
    await this.#decoderSlices((weights, start, end) => {
      for (let f = start; f < end; f++) {
        let square = 0;
        for (let i = (f - start) * d; i < (f - start + 1) * d; i++) square += weights[i] ** 2;
        norms[f] = Math.max(MIN_NORM, Math.sqrt(square) / normScalingFactor);
      }
    });
    return norms;
  }

  /** Whether W_enc is read in whole rows, in long reads, with z · W_enc of all features added up on the way. */
  #isReadByRows(rows: number): boolean {
    return !this.#store.tensors.get("W_enc")!.turned && rows * this.config.dSae * 4 <= PROJECTED_BYTES;
  }

  /** z · W_enc, `[row, d_sae]`, a few rows of W_enc after another. */
  async #projectByRows(runtime: Runtime, z: Float32Array, rows: number): Promise<Tensor> {
    const { dIn, dSae } = this.config;
    const session = await runtime.session("sae project", () => {
      const product = matMul(input("z", ["row", "slice"]), input("W_enc", ["slice", "feature"]));
      return { projected: add(input("before", ["row", "feature"]), product) };
    });
    let projected: Tensor = { dims: [rows, dSae], data: new Float32Array(rows * dSae) };
    const step = Math.max(1, Math.min(dIn, Math.floor(ROW_SLICE_BYTES / 4 / dSae)));
    await readAhead(
      dIn,
      step,
      step * dSae,
      (start, end, buffer) => this.#store.readRowRange("W_enc", start, end, buffer),
      async (data, start, end) => {
        const part = new Float32Array(rows * (end - start));
        for (let r = 0; r < rows; r++) part.set(z.subarray(r * dIn + start, r * dIn + end), r * (end - start));
        ({ projected } = await session.run({
          z: { dims: [rows, end - start], data: part },
          W_enc: { dims: [end - start, dSae], data },
          before: projected,
        }));
      },
    );
    return projected;
  }

  /** Visits W_enc in slices of features, the next one read while the current one is used. */
  async #encoderSlices(
    visit: (weight: FloatTensor, start: number, end: number) => Promise<void>,
    dIn: number,
    dSae: number,
  ): Promise<void> {
    const columns = (bytes: number): number => Math.max(1, Math.floor(bytes / 4 / dIn));
    const step = Math.min(dSae, Math.max(columns(SLICE_BYTES), Math.min(MIN_READ_BYTES / 4, columns(MAX_SLICE_BYTES))));
    await readAhead(dSae, step, step * dIn, async (start, end, buffer) => {
      const data = await this.#store.readColumnRange("W_enc", start, end, buffer);
      return { dims: [dIn, end - start], data };
    }, visit);
  }

  /** Visits W_dec in slices of features. */
  async #decoderSlices(
    visit: (rows: Float32Array, start: number, end: number) => void,
  ): Promise<void> {
    const { dSae } = this.config;
    const step = Math.max(1, Math.floor(DECODER_BYTES / 4 / this.#dWritten));
    for (let start = 0; start < dSae; start += step) {
      const end = Math.min(dSae, start + step);
      visit(await this.#store.readRowRange("W_dec", start, end), start, end);
    }
  }

  /**
   * Visits every entry of the activations with its feature's decoder row (over its norm, where norms are folded), a
   * bounded number of rows at a time.
   */
  async #decoderRows(
    { rows, offsets, features }: SparseActivations,
    norms: Float32Array | undefined,
    visit: (decoderRow: Float32Array, entry: number, row: number) => void,
  ): Promise<void> {
    const d = this.#dWritten;
    const rowOf = new Uint32Array(features.length);
    for (let r = 0; r < rows; r++) rowOf.fill(r, offsets[r], offsets[r + 1]);
    const entries = Uint32Array.from(features, (_, i) => i).sort((a, b) => features[a] - features[b] || a - b);
    const most = Math.max(1, Math.floor(DECODER_BYTES / 4 / d));
    let entry = 0;
    while (entry < entries.length) {
      const unique: number[] = [];
      let end = entry;
      for (; end < entries.length; end++) {
        const feature = features[entries[end]];
        if (unique[unique.length - 1] === feature) continue;
        if (unique.length === most) break;
        unique.push(feature);
      }
      const block = await this.#store.readRows("W_dec", unique);
      if (norms) { for (let i = 0; i < block.length; i++) block[i] /= norms[unique[Math.floor(i / d)]]; }
      for (let at = -1; entry < end; entry++) {
        if (at < 0 || unique[at] !== features[entries[entry]]) at++;
        visit(block.subarray(at * d, (at + 1) * d), entries[entry], rowOf[entries[entry]]);
      }
    }
  }
}
