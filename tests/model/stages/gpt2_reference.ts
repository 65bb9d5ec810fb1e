import type { MemoryTensor } from "../memory_store.ts";

/**
 * GPT-2 in float64 by plain loops, with processing done to the weights as TransformerLens does it: an independent
 * statement of what models/gpt2.ts must compute.
 */

/** A model's sizes and settings. */
export interface Settings {
  readonly nLayers: number;
  readonly dModel: number;
  readonly nHeads: number;
  readonly dMlp: number;
  readonly dVocab: number;
  readonly eps: number;
  readonly activation: (x: number) => number;
  /** Scores are divided by layer + 1 too. */
  readonly scaleByLayer: boolean;
  readonly unembedding: string;
}

/** TransformerLens's flags. */
export interface Flags {
  readonly foldLn: boolean;
  readonly centerWritingWeights: boolean;
  readonly foldValueBiases: boolean;
}

/** Sees every hook's value in the order of the computation, and gives the one that goes on. */
export type Hook = (name: string, value: Float64Array) => Float64Array;

/** What stands in the place of a masked score. */
export const MASKED = -1e30;

class Matrix {
  constructor(readonly rows: number, readonly columns: number, readonly data: Float64Array) {}

  static from(rows: number, columns: number, element: (i: number, j: number) => number): Matrix {
    const data = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[i * columns + j] = element(i, j);
    return new Matrix(rows, columns, data);
  }

  at(i: number, j: number): number {
    return this.data[i * this.columns + j];
  }

  times(other: Matrix, bias?: Float64Array): Matrix {
    return Matrix.from(this.rows, other.columns, (i, j) => {
      let sum = bias?.[j] ?? 0;
      for (let k = 0; k < this.columns; k++) sum += this.at(i, k) * other.at(k, j);
      return sum;
    });
  }

  plus(other: Matrix): Matrix {
    return Matrix.from(this.rows, this.columns, (i, j) => this.at(i, j) + other.at(i, j));
  }

  columnsFrom(start: number, end: number): Matrix {
    return Matrix.from(this.rows, end - start, (i, j) => this.at(i, start + j));
  }

  /** Each row without its mean. */
  rowsCentred(): Matrix {
    return Matrix.from(this.rows, this.columns, (i, j) => this.at(i, j) - this.rowMean(i));
  }

  rowMean(i: number): number {
    let sum = 0;
    for (let j = 0; j < this.columns; j++) sum += this.at(i, j);
    return sum / this.columns;
  }

  transposed(): Matrix {
    return Matrix.from(this.columns, this.rows, (i, j) => this.at(j, i));
  }
}

interface NormWeights {
  readonly w: Float64Array;
  readonly b: Float64Array;
}

interface Linear {
  readonly W: Matrix;
  readonly b: Float64Array;
}

interface Layer {
  readonly ln1?: NormWeights;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly ln2?: NormWeights;
  readonly mlpIn: Linear;
  readonly mlpOut: Linear;
}

interface Processed {
  readonly embed: Matrix;
  readonly positions: Matrix;
  readonly layers: readonly Layer[];
  readonly lnFinal?: NormWeights;
  readonly unembed: Linear;
}

/** fold_ln: W' = diag(w)·W without its mean over d_model, b' = b + ln_b·W. */
function foldNorm({ w, b }: NormWeights, { W, b: bias }: Linear): Linear {
  const folded = new Matrix(1, b.length, b).times(W, bias).data;
  const scaled = Matrix.from(W.rows, W.columns, (i, j) => w[i] * W.at(i, j));
  return { W: scaled.transposed().rowsCentred().transposed(), b: folded };
}

const centreWriting = ({ W, b }: Linear): Linear => ({
  W: W.rowsCentred(),
  b: new Matrix(1, b.length, b).rowsCentred().data,
});

function processWeights(
  settings: Settings,
  weights: Readonly<Record<string, MemoryTensor>>,
  flags: Flags,
): Processed {
  const { nLayers, dModel: d } = settings;
  const vector = (name: string): Float64Array => Float64Array.from(weights[name].data);
  const matrix = (name: string): Matrix => new Matrix(weights[name].shape[0], weights[name].shape[1], vector(name));
  const linear = (name: string): Linear => ({ W: matrix(`${name}.weight`), b: vector(`${name}.bias`) });
  const norm = (name: string): NormWeights => ({ w: vector(`${name}.weight`), b: vector(`${name}.bias`) });
  const fold = (n: NormWeights, l: Linear): Linear => flags.foldLn ? foldNorm(n, l) : l;
  const write = (l: Linear): Linear => flags.centerWritingWeights ? centreWriting(l) : l;
  const layers = Array.from({ length: nLayers }, (_, layer): Layer => {
    const [ln1, ln2] = [norm(`h.${layer}.ln_1`), norm(`h.${layer}.ln_2`)];
    const qkv = linear(`h.${layer}.attn.c_attn`);
    const [q, k, v] = [0, 1, 2].map((i) =>
      fold(ln1, { W: qkv.W.columnsFrom(i * d, (i + 1) * d), b: qkv.b.slice(i * d, (i + 1) * d) })
    );
    const o = write(linear(`h.${layer}.attn.c_proj`));
    const folded = flags.foldValueBiases;
    return {
      ln1: flags.foldLn ? undefined : ln1,
      q,
      k,
      v: folded ? { W: v.W, b: new Float64Array(d) } : v,
      o: folded ? { W: o.W, b: new Matrix(1, d, v.b).times(o.W, o.b).data } : o,
      ln2: flags.foldLn ? undefined : ln2,
      mlpIn: fold(ln2, linear(`h.${layer}.mlp.c_fc`)),
      mlpOut: write(linear(`h.${layer}.mlp.c_proj`)),
    };
  });
  const stream = (m: Matrix): Matrix => flags.centerWritingWeights ? m.rowsCentred() : m;
  const U = matrix(settings.unembedding).transposed();
  return {
    embed: stream(matrix("wte.weight")),
    positions: stream(matrix("wpe.weight")),
    layers,
    lnFinal: flags.foldLn ? undefined : norm("ln_f"),
    unembed: fold(norm("ln_f"), { W: U, b: new Float64Array(U.columns) }),
  };
}

/** Runs the model. Returns logits `[position, d_vocab]`, each row without its mean. */
export function runReference(
  settings: Settings,
  weights: Readonly<Record<string, MemoryTensor>>,
  flags: Flags,
  tokens: readonly number[],
  hook: Hook,
): Float64Array {
  const { dModel: d, nHeads, eps } = settings;
  const model = processWeights(settings, weights, flags);
  const n = tokens.length;
  const at = (name: string, m: Matrix): Matrix => new Matrix(m.rows, m.columns, hook(name, m.data));
  const norm = (name: string, x: Matrix, affine: NormWeights | undefined): Matrix => {
    const centre = x.rowsCentred();
    const variance = (i: number): number => centre.data.slice(i * d, (i + 1) * d).reduce((s, v) => s + v * v, 0) / d;
    const scale = at(`${name}.hook_scale`, Matrix.from(n, 1, (i) => Math.sqrt(variance(i) + eps)));
    const normalized = at(
      `${name}.hook_normalized`,
      Matrix.from(n, d, (i, j) => centre.at(i, j) / scale.at(i, 0)),
    );
    return affine ? Matrix.from(n, d, (i, j) => normalized.at(i, j) * affine.w[j] + affine.b[j]) : normalized;
  };

  const embedded = at("hook_embed", Matrix.from(n, d, (i, j) => model.embed.at(tokens[i], j)));
  const positions = at("hook_pos_embed", Matrix.from(n, d, (i, j) => model.positions.at(i, j)));
  let resid = embedded.plus(positions);
  model.layers.forEach((layer, l) => {
    const name = (local: string): string => `blocks.${l}.${local}`;
    resid = at(name("hook_resid_pre"), resid);
    const x = norm(name("ln1"), resid, layer.ln1);
    const q = at(name("attn.hook_q"), x.times(layer.q.W, layer.q.b));
    const k = at(name("attn.hook_k"), x.times(layer.k.W, layer.k.b));
    const v = at(name("attn.hook_v"), x.times(layer.v.W, layer.v.b));
    const dHead = d / nHeads;
    const divisor = Math.sqrt(dHead) * (settings.scaleByLayer ? l + 1 : 1);
    const scores = at(
      name("attn.hook_attn_scores"),
      Matrix.from(nHeads * n, n, (row, key) => {
        const [head, query] = [Math.floor(row / n), row % n];
        if (key > query) return MASKED;
        let sum = 0;
        for (let i = head * dHead; i < (head + 1) * dHead; i++) sum += q.at(query, i) * k.at(key, i);
        return sum / divisor;
      }),
    );
    const exps = Matrix.from(nHeads * n, n, (row, key) => {
      const largest = Math.max(...scores.data.slice(row * n, (row + 1) * n));
      return Math.exp(scores.at(row, key) - largest);
    });
    const pattern = at(
      name("attn.hook_pattern"),
      Matrix.from(nHeads * n, n, (row, key) => exps.at(row, key) / (exps.rowMean(row) * n)),
    );
    const z = at(
      name("attn.hook_z"),
      Matrix.from(n, d, (query, i) => {
        const head = Math.floor(i / dHead);
        let sum = 0;
        for (let key = 0; key < n; key++) sum += pattern.at(head * n + query, key) * v.at(key, i);
        return sum;
      }),
    );
    resid = resid.plus(at(name("hook_attn_out"), z.times(layer.o.W, layer.o.b)));
    resid = at(name("hook_resid_mid"), resid);
    const mlpIn = at(name("mlp.hook_in"), norm(name("ln2"), resid, layer.ln2));
    const pre = at(name("mlp.hook_pre"), mlpIn.times(layer.mlpIn.W, layer.mlpIn.b));
    const post = at(name("mlp.hook_post"), new Matrix(n, settings.dMlp, pre.data.map(settings.activation)));
    resid = resid.plus(at(name("hook_mlp_out"), post.times(layer.mlpOut.W, layer.mlpOut.b)));
    resid = at(name("hook_resid_post"), resid);
  });
  const final = norm("ln_final", resid, model.lnFinal);
  return final.times(model.unembed.W, model.unembed.b).rowsCentred().data;
}
