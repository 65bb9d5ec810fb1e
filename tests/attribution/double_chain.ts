/**
 * A whole model in float64, stage by stage through the families' graphs: a second path beside the chain that the program
 * runs, for what must hold to more digits than float32 has. Biases are inputs here that have gradients.
 */
import { graphInputs, input, type Value, vjp, type VjpOptions } from "../../lib/graph/mod.ts";
import { renamedStore } from "../../lib/model/weights/open_weights.ts";
import { additiveMask } from "../../lib/model/stages/feeds.ts";
import { rotaryTables } from "../../lib/model/stages/rotary.ts";
import { createRuntime, type Runtime } from "../../lib/runtime/runtime.ts";
import type { Tensor } from "../../lib/runtime/tensor.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors, type TensorStore } from "../../lib/weights/tensors/tensors.ts";
import type { Architecture, Processing, WeightRef } from "../../models/family.ts";
import { openArchitecture } from "../../models/mod.ts";

type Doubles = { readonly dims: readonly number[]; readonly data: Float64Array };
type Feeds = Record<string, Tensor>;

/** What a backward pass gives at one stage. */
export interface StageGradients {
  /** At the stage's input. */
  readonly gradient: Doubles;
  /** By bias, its gradient · itself. */
  readonly biases: Readonly<Record<string, number>>;
}

/** A model in float64 on one prompt. */
export class DoubleChain implements AsyncDisposable {
  readonly architecture: Architecture;
  readonly #store: TensorStore;
  readonly #runtime: Runtime;
  readonly #processing: Processing;
  /** The input of every block, and last that of the final norm. */
  readonly streams: Doubles[] = [];

  private constructor(architecture: Architecture, store: TensorStore, runtime: Runtime, processing: Processing) {
    this.architecture = architecture;
    this.#store = store;
    this.#runtime = runtime;
    this.#processing = processing;
  }

  static async open(directory: URL, processing?: Processing): Promise<DoubleChain> {
    const config = JSON.parse(await Deno.readTextFile(new URL("config.json", directory)));
    const architecture = await openArchitecture(config);
    const store = await openSafetensors(openSource(directory));
    const named = renamedStore(store, architecture);
    const runtime = await createRuntime({ dtype: "float64", threads: 1 });
    return new DoubleChain(architecture, named, runtime, processing ?? architecture.defaultProcessing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runtime.dispose();
    await this.#store.source.close();
  }

  /** Runs the model up to the final norm's output `[1, position, d_model]`. */
  async forward(tokens: readonly number[]): Promise<Doubles> {
    const { config: { dModel, nLayers }, embedding } = this.architecture;
    const rows = async (name: string, ids: readonly number[]): Promise<Tensor> => {
      const data = new Float64Array(ids.length * dModel);
      for (const [p, id] of ids.entries()) data.set(await this.#store.readRows(name, [id]), p * dModel);
      return { dims: [1, ids.length, dModel], data };
    };
    const feeds: Feeds = { tokens: await rows(embedding.tokens.name, tokens) };
    if (embedding.positions) feeds.positions = await rows(embedding.positions.name, [...tokens.keys()]);
    const { output } = this.architecture.embed(this.#processing);
    let stream = await this.#run({ output }, feeds, "output");
    for (let stage = 1; stage <= nLayers + 1; stage++) {
      this.streams.push(stream);
      const graph = this.#graph(stage);
      stream = await this.#run({ output: graph.output }, await this.#feeds(stage), "output");
    }
    return stream;
  }

  /** Rows of the unembedding, minus the vocabulary's mean row where logits are centred: Σ weight · row, in float64. */
  async unembeddingDifference(positive: number, negative: number): Promise<Float64Array> {
    const ref = this.architecture.unembedding.find(({ name }) => this.#store.tensors.has(name))!;
    const [a, b] = [await this.#store.readRows(ref.name, [positive]), await this.#store.readRows(ref.name, [negative])];
    return Float64Array.from(a, (x, i) => x - b[i]);
  }

  /** Back through one stage (1 … n blocks, n + 1 the final norm). */
  async backward(stage: number, gradient: Doubles, options: VjpOptions): Promise<StageGradients> {
    const { input: stageInput, output } = this.#graph(stage);
    const biases = [...graphInputs({ output })].filter(([name]) => name.endsWith(".bias"));
    const wrt: Value[] = [stageInput, ...biases.map(([, value]) => value)];
    const gradients = vjp([output], [input("gradient", output.shape)], wrt, options);
    const graph = Object.fromEntries(
      gradients.flatMap((g, i) => g ? [[i === 0 ? "input" : biases[i - 1][0], g] as const] : []),
    );
    const feeds = await this.#feeds(stage);
    const session = await this.#runtime.session(graph);
    const inputs = session.inputNames.map((name) => [name, name === "gradient" ? gradient : feeds[name]]);
    const found = await session.run(Object.fromEntries(inputs)) as Record<string, Doubles>;
    const products = biases.flatMap(([name]): [string, number][] =>
      found[name] ? [[name, dot(found[name].data, feeds[name].data as Float64Array)]] : []
    );
    return { gradient: found.input, biases: Object.fromEntries(products) };
  }

  #graph(stage: number) {
    return stage > this.architecture.config.nLayers
      ? this.architecture.final(this.#processing)
      : this.architecture.block(stage - 1, { processing: this.#processing, selectRows: false });
  }

  async #feeds(stage: number): Promise<Feeds> {
    const { config: { nLayers }, masks, rotary } = this.architecture;
    const refs = stage > nLayers ? this.architecture.finalWeights() : this.architecture.blockWeights(stage - 1);
    const resid = this.streams[stage - 1];
    const n = resid.dims[1];
    const feeds: Feeds = { resid };
    for (const [name, spec] of Object.entries(masks)) feeds[name] = doubles(additiveMask(n, spec));
    for (const [name, spec] of Object.entries(rotary)) {
      const { cos, sin } = rotaryTables(n, spec);
      Object.assign(feeds, { [`${name}:cos`]: doubles(cos), [`${name}:sin`]: doubles(sin) });
    }
    for (const [name, ref] of Object.entries(refs)) feeds[name] = await this.#weight(ref);
    return feeds;
  }

  async #weight({ name, shape }: WeightRef): Promise<Tensor> {
    return doubles({ dims: shape, data: await this.#store.read(name) });
  }

  async #run(graph: Record<string, Value>, feeds: Feeds, output: string): Promise<Doubles> {
    const session = await this.#runtime.session(graph);
    const outputs = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])));
    return outputs[output] as Doubles;
  }
}

function doubles({ dims, data }: Tensor): Doubles {
  return { dims, data: Float64Array.from(data as Float32Array) };
}

/** Σ a · b. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
