/**
 * From the final norm's output to logits and back: the unembedding in slices of the vocabulary, or only the few rows
 * that a metric reads.
 *
 * @module
 */
import type { ModelConfig } from "../../../models/family.ts";
import { type Graph, input, matMul, swapLast } from "../../graph/mod.ts";
import type { Runtime, Session } from "../../runtime/runtime.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import { readAhead } from "../../weights/tensors/read_ahead.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";
import type { WeightBinding } from "./stages.ts";

let count = 0;

/** The unembedding of one model. Rows of the weight, `[d_vocab, d_model]`, are tokens. */
export class Unembedding {
  readonly #config: ModelConfig;
  readonly #store: TensorStore;
  readonly #runtime: Runtime;
  readonly #tensor: string;
  readonly #centred: boolean;
  readonly #softCap: number | undefined;
  readonly #resident: boolean;
  readonly #number = ++count;

  /**
   * The unembedding in a tensor of a store.
   *
   * @param centred logits have their mean over the vocabulary removed
   * @param softCap logits x become cap · tanh(x / cap); not together with centring
   * @param binding whether the weight is read whenever it is used, or stays in the runtime's memory
   */
  constructor(
    config: ModelConfig,
    store: TensorStore,
    runtime: Runtime,
    tensorName: string,
    centred: boolean,
    softCap?: number,
    binding: WeightBinding = "streamed",
  ) {
    this.#config = config;
    this.#store = store;
    this.#runtime = runtime;
    this.#tensor = tensorName;
    this.#centred = centred;
    this.#softCap = softCap;
    this.#resident = binding === "resident";
  }

  /** Logits over the whole vocabulary, `[row, d_vocab]`, from `[1, row, d_model]`. */
  async logits(final: FloatTensor): Promise<FloatTensor> {
    const rows = final.dims[1];
    const { dVocab } = this.#config;
    const data = new Float32Array(rows * dVocab);
    await this.visitLogits(final, (logits, start, end) => {
      for (let r = 0; r < rows; r++) {
        data.set(logits.subarray(r * (end - start), (r + 1) * (end - start)), r * dVocab + start);
      }
    });
    if (this.#centred) centreRows(data, rows, dVocab);
    if (this.#softCap !== undefined) softCap(data, this.#softCap);
    return { dims: [rows, dVocab], data };
  }

  /**
   * Products with the unembedding, in slices of the vocabulary, never all at once: `visit` gets `[row, end − start]` of
   * the tokens from `start` to before `end`, without their mean removed and without the soft cap.
   */
  async visitLogits(
    final: FloatTensor,
    visit: (logits: Float32Array, start: number, end: number) => void,
  ): Promise<void> {
    const { dModel } = this.#config;
    const graph = {
      logits: matMul(input("final", [1, "row", dModel]), swapLast(input("weight", ["vocab", dModel]))),
    };
    await this.#slices(graph, async (session, weight, start, end) => {
      const { logits } = await session.run({ final, ...weight });
      visit(logits.data as Float32Array, start, end);
    });
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
    if (this.#softCap !== undefined) softCap(data, this.#softCap);
    return { dims: [rows, tokens.length], data };
  }

  /**
   * The gradient at the final norm's output, `[1, row, d_model]`, from that at all logits.
   *
   * @param logits what {@linkcode logits} returned, for a soft cap's derivative
   */
  async gradient(logitGradient: FloatTensor, logits?: FloatTensor): Promise<FloatTensor> {
    const [rows, dVocab] = logitGradient.dims;
    const { dModel } = this.#config;
    const g = this.#beforeSoftCap(logitGradient, logits);
    if (this.#centred) centreRows(g, rows, dVocab);
    const total = new Float32Array(rows * dModel);
    const graph = { final: matMul(input("gradient", ["row", "vocab"]), input("weight", ["vocab", dModel])) };
    await this.#slices(graph, async (session, weight, start, end) => {
      const gradient = new Float32Array(rows * (end - start));
      for (let r = 0; r < rows; r++) {
        gradient.set(g.subarray(r * dVocab + start, r * dVocab + end), r * (end - start));
      }
      const { final } = await session.run({ gradient: { dims: [rows, end - start], data: gradient }, ...weight });
      final.data.forEach((x, i) => total[i] += x as number);
    });
    return { dims: [1, rows, dModel], data: total };
  }

  /**
   * The same from the gradient at the logits of some tokens.
   *
   * @param logits what {@linkcode logitsOf} returned, for a soft cap's derivative
   */
  async gradientOf(logitGradient: FloatTensor, tokens: readonly number[], logits?: FloatTensor): Promise<FloatTensor> {
    const [rows, columns] = logitGradient.dims;
    const { dModel } = this.#config;
    const weights = await this.#rowsOf(tokens);
    const g = this.#beforeSoftCap(logitGradient, logits);
    const data = new Float32Array(rows * dModel);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < dModel; i++) {
        let sum = 0;
        for (let c = 0; c < columns; c++) sum += g[r * columns + c] * weights[c][i];
        data[r * dModel + i] = sum;
      }
    }
    return { dims: [1, rows, dModel], data };
  }

  /** d/dx cap · tanh(x / cap) = 1 − (y / cap)² at logits y; without a cap, a copy of the gradient. */
  #beforeSoftCap(gradient: FloatTensor, logits?: FloatTensor): Float32Array {
    const cap = this.#softCap;
    if (cap === undefined) return gradient.data.slice();
    if (!logits) throw new TypeError("The gradient of logits with a soft cap needs the logits");
    return gradient.data.map((g, i) => g * (1 - (logits.data[i] / cap) ** 2));
  }

  /** One unembedding row per token, in their order. */
  async #rowsOf(tokens: readonly number[]): Promise<Float32Array[]> {
    const { dModel } = this.#config;
    const unique = [...new Set(tokens)].sort((a, b) => a - b);
    const rows = await this.#store.readRows(this.#tensor, unique);
    return tokens.map((id) => rows.subarray(unique.indexOf(id) * dModel, (unique.indexOf(id) + 1) * dModel));
  }

  /** Runs a graph on slices of the weight; where they are read, the next one while the current one is used. */
  async #slices(
    graph: Graph,
    visit: (session: Session, weight: { weight?: FloatTensor }, start: number, end: number) => Promise<void>,
  ): Promise<void> {
    const { dModel, dVocab } = this.#config;
    const step = Math.max(1, Math.min(dVocab, Math.floor(this.#runtime.sliceBytes / 4 / dModel)));
    const read = async (start: number, end: number, buffer: Float32Array): Promise<FloatTensor> => {
      const data = await this.#store.readRowRange(this.#tensor, start, end, buffer);
      return { dims: [end - start, dModel], data };
    };
    if (!this.#resident) {
      const session = await this.#runtime.session(graph);
      return await readAhead(
        dVocab,
        step,
        step * dModel,
        read,
        (weight, start, end) => visit(session, { weight }, start, end),
        this.#runtime.memory,
      );
    }
    const sessionOf = (start: number): Promise<Session> | undefined => {
      if (start >= dVocab) return undefined;
      const end = Math.min(dVocab, start + step);
      const load = async (): Promise<Record<string, FloatTensor>> => {
        const buffer = this.#runtime.memory.allocate((end - start) * dModel);
        try {
          return { weight: await read(start, end, buffer) };
        } catch (error) {
          this.#runtime.memory.release(buffer);
          throw error;
        }
      };
      const session = this.#runtime.session(graph, { key: `unembedding ${this.#number} from ${start}`, load });
      session.catch(() => {}); // reported when the slice is used
      return session;
    };
    let coming = sessionOf(0);
    for (let start = 0; start < dVocab; start += step) {
      const session = await coming!;
      coming = sessionOf(start + step);
      await visit(session, {}, start, Math.min(dVocab, start + step));
    }
  }
}

function softCap(data: Float32Array, cap: number): void {
  for (let i = 0; i < data.length; i++) data[i] = cap * Math.tanh(data[i] / cap);
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
