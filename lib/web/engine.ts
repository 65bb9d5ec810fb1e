/**
 * Does the jobs of the local page: opens models and SAEs, predicts, attributes.
 *
 * @module
 */
import { calculateFeatureAttribution } from "../attribution/attribution.ts";
import { longTable } from "../attribution/result/long_table.ts";
import { promptWarnings } from "../attribution/run/prompt_warnings.ts";
import { resolvePrependBos } from "../attribution/run/processing.ts";
import { type PromptTest, testPrompt } from "../attribution/run/predict.ts";
import type { Attribution } from "../attribution/result/result.ts";
import { loadModel, type Model } from "../model/model.ts";
import { reportData } from "../report/data.ts";
import { loadSae } from "../sae/load.ts";
import type { Sae } from "../sae/sae.ts";
import { toCsv } from "../table/csv.ts";
import { toJson, toJsonLines } from "../table/json.ts";
import type { Table } from "../table/table.ts";
import type { DownloadProgress } from "../weights/hub/progress.ts";
import { attributeCommand } from "./command.ts";
import type { AttributeJob, Job, JobEvent, PredictJob, RunChoice, SaeChoice, WorkerOptions } from "./jobs.ts";
import { makeMetric } from "../attribution/metric/make_metric.ts";
import { RecentlyUsed } from "./opened.ts";

/** Weights stay on disk; what is open costs its sessions and file handles. */
const OPEN_MODELS = 2;
const OPEN_SAES = 8;

/** Hears what a job tells before it is done. */
type Tell = (event: JobEvent) => void;

/** Models and SAEs, and what is done with them. One job at a time. */
export class Engine implements AsyncDisposable {
  readonly #options: WorkerOptions;
  readonly #models = new RecentlyUsed<Model>(OPEN_MODELS);
  readonly #saes = new RecentlyUsed<Sae>(OPEN_SAES);

  #goOn: () => void = () => {};

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /**
   * Does a job.
   *
   * @param goOn called before each stage of the model; what it throws ends the job
   * @throws {RangeError | TypeError | SyntaxError} if what was asked for cannot be done; the message says why
   */
  async perform(job: Job, tell: Tell, goOn: () => void = () => {}): Promise<JobEvent> {
    this.#goOn = goOn;
    switch (job.kind) {
      case "predict":
        return { type: "prediction", prediction: await this.#predict(job, tell) };
      case "attribute":
        return await this.#attribute(job, tell);
    }
  }

  async #predict(job: PredictJob, tell: Tell): Promise<PredictionAnswer> {
    const { model, saes } = await this.#openAll(job, tell);
    const { prependBos, truncate, processing, position, top: topK, answer } = job;
    const { tokens, at, test } = await this.#test(model, saes, job, { position, topK, answer });
    const described = await model.describeTokens(tokens);
    return {
      model: { name: model.name, description: model.description, family: model.architecture.family },
      saes: saes.map(describeSae),
      settings: { prepend_bos: prependBos ?? null, truncate, processing },
      tokens: described.map(({ id, text, isSpecial }) => ({ id, text, special: isSpecial })),
      position: at,
      predictions: test.predictions.map(describePrediction),
      answer: test.answer === undefined ? null : describePrediction(test.answer),
      warnings: [...new Set([...await promptWarnings(model, job.prompt, tokens), ...test.warnings])],
    };
  }

  /** What comes after a token: the model does not look ahead, so the tokens up to it are enough. */
  async #test(
    model: Model,
    saes: readonly Sae[],
    { prompt, prependBos, truncate, processing }: RunChoice,
    { position, topK, answer }: { position: number; topK: number; answer: string | number | undefined },
  ): Promise<{ tokens: readonly number[]; at: number; test: PromptTest }> {
    const tokens = await model.toTokens(prompt, { prependBos: resolvePrependBos(saes, prependBos), truncate });
    const at = position < 0 ? tokens.length + position : position;
    if (at < 0 || at >= tokens.length) {
      throw new RangeError(`The position ${position} is not in a prompt of ${tokens.length} tokens`);
    }
    const test = await testPrompt(model, tokens.slice(0, at + 1), { topK, answer, saes, processing });
    return { tokens, at, test };
  }

  async #attribute(job: AttributeJob, tell: Tell): Promise<JobEvent> {
    const { model, saes } = await this.#openAll(job, tell);
    const result = await calculateFeatureAttribution(model, job.prompt, makeMetric(job.metric), {
      saes,
      includeErrorTerm: job.includeErrorTerm,
      prependBos: job.prependBos,
      truncate: job.truncate,
      processing: job.processing,
      excludeSpecialTokens: job.excludeSpecialTokens,
      diagnose: job.format === "report",
    });
    if (job.format !== "report") return { type: "rows", text: await rowsText(result, job) };
    const command = attributeCommand(job, await speller(model, result));
    const bare = await reportData(result, { command, cards: 0 });
    if (job.cards === 0) return { type: "report", report: bare };
    tell({ type: "report", report: bare }); // it need not wait for the cards
    return { type: "report", report: await reportData(result, { command, cards: job.cards }) };
  }

  async #openAll(
    { model: name, saes: choices }: Pick<RunChoice, "model" | "saes">,
    tell: Tell,
  ): Promise<{ model: Model; saes: readonly Sae[] }> {
    const model = await this.#openModel(name, tell);
    const saes: Sae[] = [];
    for (const choice of choices) saes.push(await this.#openSae(choice, tell));
    tell({ type: "running" });
    return { model, saes };
  }

  #openModel(name: string, tell: Tell): Promise<Model> {
    return this.#models.use(name, () => {
      tell({ type: "opening", name });
      const { places = {}, device, threads } = this.#options;
      const isPublic = !Object.hasOwn(places, name);
      const onProgress = (progress: DownloadProgress): void => tell(downloading(progress));
      return loadModel(isPublic ? name : places[name], {
        device,
        threads,
        isPublic,
        onProgress,
        onStage: () => this.#goOn(),
      });
    });
  }

  #openSae({ source, hook }: SaeChoice, tell: Tell): Promise<Sae> {
    return this.#saes.use(`${hook ?? ""} ${source}`, () => {
      tell({ type: "opening", name: source });
      const { places = {} } = this.#options;
      const isPublic = !Object.hasOwn(places, source);
      const onProgress = (progress: DownloadProgress): void => tell(downloading(progress));
      return loadSae(isPublic ? source : places[source], { hook, isPublic, onProgress });
    });
  }

  /** Closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#models[Symbol.asyncDispose]();
    await this.#saes[Symbol.asyncDispose]();
  }
}

/** One next token. */
export interface PredictedToken {
  readonly id: number;
  readonly token: string;
  /** 0 is the most probable. */
  readonly rank: number;
  /** Logit minus the vocabulary's mean. */
  readonly logit: number;
  readonly probability: number;
}

/** What the model predicts, as JSON has it. */
export interface PredictionAnswer {
  readonly model: { readonly name: string; readonly description: string; readonly family: string };
  readonly saes: readonly { readonly source: string; readonly hook: string; readonly d_sae: number }[];
  /** As they were asked for. */
  readonly settings: {
    readonly prepend_bos: boolean | null;
    readonly truncate: boolean;
    readonly processing: string;
  };
  readonly tokens: readonly { readonly id: number; readonly text: string; readonly special: boolean }[];
  /** After which token, counted from 0. */
  readonly position: number;
  /** Best first. */
  readonly predictions: readonly PredictedToken[];
  /** The place of the token that was asked for. */
  readonly answer: PredictedToken | null;
  /** What the prompt or the answer has that may not have been meant. */
  readonly warnings: readonly string[];
}

function describeSae({ source, hookOut, config }: Sae): PredictionAnswer["saes"][number] {
  return { source, hook: hookOut, d_sae: config.dSae };
}

function describePrediction({ id, token, rank, logit, probability }: PredictedToken): PredictedToken {
  return { id, token, rank, logit, probability };
}

function downloading({ path, done, total }: DownloadProgress): JobEvent {
  return { type: "downloading", path, done, total: total ?? null };
}

/** Texts of the metric's tokens, of those that their text alone stands for. */
async function speller(model: Model, { parts }: Attribution): Promise<(id: number) => string | undefined> {
  const { positive = [], negative = [] } = parts.grads.resolvedMetric;
  const tokenizer = await model.tokenizer();
  const tokens = await model.describeTokens([...positive, ...negative]);
  const texts = tokens.flatMap(({ id, text }): [number, string][] => {
    const ids = tokenizer?.encode(text) ?? [];
    return ids.length === 1 && ids[0] === id ? [[id, text]] : [];
  });
  const byId = new Map(texts);
  return (id) => byId.get(id);
}

async function rowsText(result: Attribution, { format, top, columns, includeError }: AttributeJob): Promise<string> {
  const table: Table = await longTable(result, { top, columns, includeError });
  return format === "csv" ? toCsv(table) : format === "json" ? toJson(table) : toJsonLines(table);
}
