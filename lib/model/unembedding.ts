/**
 * From the final norm's output to logits and back: the unembedding in slices of the vocabulary, or only the few rows
 * that a metric reads.
 *
 * @module
 */
import type { ModelConfig } from "../../models/family.ts";
import { input, matMul, swapLast } from "../graph/mod.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { FloatTensor } from "../runtime/tensor.ts";
import type { TensorStore } from "../weights/tensors.ts";

/** The most bytes of the unembedding that are in memory at once, twice (one slice read ahead). */
const SLICE_BYTES = 24 * 2 ** 20;

/** The unembedding of one model. Rows of the weight, `[d_vocab, d_model]`, are tokens. */
export class Unembedding {
  readonly #config: ModelConfig;
  readonly #store: TensorStore;
  readonly #runtime: Runtime;
  readonly #tensor: string;
  readonly #centred: boolean;
  #buffers: Float32Array[] = [];

  /** @param centred logits have their mean over the vocabulary removed */
  constructor(config: ModelConfig, store: TensorStore, runtime: Runtime, tensorName: string, centred: boolean) {
    this.#config = config;
    this.#store = store;
    this.#runtime = runtime;
    this.#tensor = tensorName;
    this.#centred = centred;
  }

  /** Logits over the whole vocabulary, `[row, d_vocab]`, from `[1, row, d_model]`. */
  async logits(final: FloatTensor): Promise<FloatTensor> {
    const rows = final.dims[1];
    const { dModel, dVocab } = this.#config;
    const data = new Float32Array(rows * dVocab);
    const session = await this.#runtime.session("unembed", () => ({
      logits: matMul(input("final", [1, "row", dModel]), swapLast(input("weight", ["vocab", dModel]))),
    }));
    await this.#slices(async (weight, start, end) => {
      const { logits } = await session.run({ final, weight });
      for (let r = 0; r < rows; r++) {
        const part = (logits.data as Float32Array).subarray(r * (end - start), (r + 1) * (end - start));
        data.set(part, r * dVocab + start);
      }
    });
    if (this.#centred) centreRows(data, rows, dVocab);
    return { dims: [rows, dVocab], data };
  }

  /**
   * Logits of some tokens, `[row, column]`, without their mean removed: for metrics to which it makes no difference.
   */
  async logitsOf(final: FloatTensor, tokens: readonly number[]): Promise<FloatTensor> {
    const [, rows, d] = final.dims;
    const weights = await this.#rowsOf(tokens);
    const data = new Float32Array(rows * tokens.length);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < tokens.length; c++) {
        let sum = 0;
        for (let i = 0; i < d; i++) sum += final.data[r * d + i] * weights[c][i];
        data[r * tokens.length + c] = sum;
      }
    }
    return { dims: [rows, tokens.length], data };
  }

  /** The gradient at the final norm's output, `[1, row, d_model]`, from that at all logits. */
  async gradient(logitGradient: FloatTensor): Promise<FloatTensor> {
    const [rows, dVocab] = logitGradient.dims;
    const { dModel } = this.#config;
    const g = logitGradient.data.slice();
    if (this.#centred) centreRows(g, rows, dVocab);
    const total = new Float32Array(rows * dModel);
    const session = await this.#runtime.session("unembed gradient", () => ({
      final: matMul(input("gradient", ["row", "vocab"]), input("weight", ["vocab", dModel])),
    }));
    await this.#slices(async (weight, start, end) => {
      const gradient = new Float32Array(rows * (end - start));
      for (let r = 0; r < rows; r++) {
        gradient.set(g.subarray(r * dVocab + start, r * dVocab + end), r * (end - start));
      }
      const { final } = await session.run({ gradient: { dims: [rows, end - start], data: gradient }, weight });
      final.data.forEach((x, i) => total[i] += x as number);
    });
    return { dims: [1, rows, dModel], data: total };
  }

  /** The same from the gradient at the logits of some tokens. */
  async gradientOf(logitGradient: FloatTensor, tokens: readonly number[]): Promise<FloatTensor> {
    const [rows, columns] = logitGradient.dims;
    const { dModel } = this.#config;
    const weights = await this.#rowsOf(tokens);
    const data = new Float32Array(rows * dModel);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < dModel; i++) {
        let sum = 0;
        for (let c = 0; c < columns; c++) sum += logitGradient.data[r * columns + c] * weights[c][i];
        data[r * dModel + i] = sum;
      }
    }
    return { dims: [1, rows, dModel], data };
  }

  /** One unembedding row per token, in their order. */
  async #rowsOf(tokens: readonly number[]): Promise<Float32Array[]> {
    const { dModel } = this.#config;
    const unique = [...new Set(tokens)].sort((a, b) => a - b);
    const rows = await this.#store.readRows(this.#tensor, unique);
    return tokens.map((id) => rows.subarray(unique.indexOf(id) * dModel, (unique.indexOf(id) + 1) * dModel));
  }

  /** Visits the weight in slices, the next one read while the current one is used. */
  async #slices(visit: (weight: FloatTensor, start: number, end: number) => Promise<void>): Promise<void> {
    const { dModel, dVocab } = this.#config;
    const step = Math.max(1, Math.min(dVocab, Math.floor(SLICE_BYTES / 4 / dModel)));
    const read = (start: number): Promise<FloatTensor> | undefined => {
      if (start >= dVocab) return undefined;
      const end = Math.min(dVocab, start + step);
      const parity = (start / step) % 2;
      this.#buffers[parity] ??= new Float32Array(step * dModel);
      const reading = this.#store.readRowRange(this.#tensor, start, end, this.#buffers[parity])
        .then((data) => ({ dims: [end - start, dModel], data }));
      reading.catch(() => {}); // reported when the slice is used
      return reading;
    };
    let coming = read(0);
    for (let start = 0; start < dVocab; start += step) {
      const weight = await coming!;
      coming = read(start + step);
      await visit(weight, start, Math.min(dVocab, start + step));
    }
    this.#buffers = [];
  }
}

function centreRows(data: Float32Array, rows: number, columns: number): void {
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * columns, (r + 1) * columns);
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += row[i];
    const mean = sum / columns;
    for (let i = 0; i < columns; i++) row[i] -= mean;
  }
}
