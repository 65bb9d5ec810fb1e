/**
 * Does the jobs of the local page: opens models and SAEs, predicts, attributes.
 *
 * @module
 */
import { promptWarnings } from "../attribution/run/prompt_warnings.ts";
import { resolvePosition } from "../attribution/positions.ts";
import { preparePrompt } from "../attribution/run/prompt.ts";
import { type PromptTest, testPrompt } from "../attribution/run/predict.ts";
import type { Attribution } from "../attribution/result/result.ts";
import { loadModel, type Model } from "../model/model.ts";
import { reportData, withCards } from "../report/data.ts";
import type { ReportData } from "../report/report_data.ts";
import { attributeRequest, requestedTable } from "../request/attribute.ts";
import { inChat } from "../request/chat.ts";
import { type OpenedSaes, openSaes } from "../request/open.ts";
import type { SaeRequest } from "../request/saes.ts";
import type { Sae } from "../sae/sae.ts";
import { tableWriter } from "../table/formats.ts";
import type { Table } from "../table/table.ts";
import { isChosen } from "../weights/files/chosen.ts";
import { browserStorage } from "../weights/hub/hub.ts";
import type { DownloadProgress } from "../weights/hub/progress.ts";
import { fetchNeeds, type Need, priceOf } from "../weights/tensors/needs.ts";
import { attributeCommand } from "./command.ts";
import { JobDownloads, jobNeeds } from "./downloads.ts";
import { fieldWords } from "./job_requests.ts";
import type {
  AttributeJob,
  Job,
  JobEvent,
  ModelJob,
  PredictedToken,
  PredictionAnswer,
  PredictJob,
  SelectJob,
  SteerJob,
  WorkerOptions,
} from "./jobs.ts";
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
  readonly #saes = new RecentlyUsed<OpenedSaes>(OPEN_SAES);

  /** Of the job that is being done: what is open outlives the one that opened it. */
  #goOn: () => void = () => {};
  #onProgress: (progress: DownloadProgress) => void = () => {};
  /** What the sources of models and SAEs told last of their downloads. */
  readonly #progress = new Map<string, DownloadProgress>();

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
    this.#onProgress = this.#follow(0, tell);
    switch (job.kind) {
      case "predict":
        return { type: "prediction", prediction: await this.#predict(job, tell) };
      case "attribute":
        return await this.#attribute(job, tell);
      case "steer":
      case "select":
        return await this.#change(job, tell);
      case "price": {
        const { missing, there } = await priceOf(await this.#needs(job.of, tell));
        return { type: "price", download: missing, stored: there };
      }
      case "storage":
        return await this.#storage(job.empty);
    }
  }

  async #predict(job: PredictJob, tell: Tell): Promise<PredictionAnswer> {
    const { model, saes } = await this.#openAll(job, tell);
    const { prependBos, truncate, processing } = job;
    const prompt = await inChat(model, job.prompt, job.chat);
    const { tokens, at, test } = await this.#test(model, saes, prompt, job);
    const described = await model.describeTokens(tokens);
    return {
      model: { name: model.name, description: model.description, family: model.architecture.family },
      saes: saes.map(describeSae),
      settings: { prepend_bos: prependBos ?? null, truncate, processing },
      tokens: described.map(({ id, text, isSpecial }) => ({ id, text, special: isSpecial })),
      position: at,
      predictions: test.predictions.map(describePrediction),
      answer: test.answer === undefined ? null : describePrediction(test.answer),
      warnings: [...new Set([...await promptWarnings(model, prompt, tokens), ...test.warnings])],
    };
  }

  /** What comes after a token: the model does not look ahead, so the tokens up to it are enough. */
  async #test(
    model: Model,
    saes: readonly Sae[],
    prompt: string | readonly number[],
    { position, top: topK, answer, ...options }: PredictJob,
  ): Promise<{ tokens: readonly number[]; at: number; test: PromptTest }> {
    const { tokens } = await preparePrompt(model, prompt, saes, options);
    const at = resolvePosition(position, tokens.length, "The position");
    const { processing } = options;
    const test = await testPrompt(model, tokens.slice(0, at + 1), { topK, answer, saes, processing });
    return { tokens, at, test };
  }

  async #attribute(job: AttributeJob, tell: Tell): Promise<JobEvent> {
    const opened = await this.#openAll(job, tell);
    const { format, cards, predictions, prompt, rows, answer } = job;
    if (answer !== undefined) return await this.#attributeAnswer(opened, { ...job, answer }, tell);
    const result = await attributeRequest({ ...opened, prompt }, job, {
      positions: rows.positions,
      diagnose: format === "report",
    });
    if (format !== "report") {
      return await writtenRows(await requestedTable(result, rows), format);
    }
    const command = attributeCommand(job, await speller(opened.model, result));
    const bare = await reportData(result, { command, predictions, cards: 0, words: fieldWords(job.words) });
    return await reported(bare, result, cards, tell);
  }

  /** Each token of an answer. */
  async #attributeAnswer(
    opened: { model: Model; saes: readonly Sae[] },
    job: AttributeJob & { readonly answer: NonNullable<AttributeJob["answer"]> },
    tell: Tell,
  ): Promise<JobEvent> {
    const { format, cards, predictions, prompt, rows } = job;
    const { answerTable, attributeAnswer } = await import(
      new URL("../request/answer.ts", import.meta.url).href
    ) as typeof import("../request/answer.ts");
    const answer = await attributeAnswer({ ...opened, prompt }, job, {
      positions: rows.positions,
      diagnose: format === "report",
    });
    if (format !== "report") {
      return await writtenRows(await answerTable(answer, rows), format);
    }
    const { answerReportData } = await import(
      new URL("../report/answer_data.ts", import.meta.url).href
    ) as typeof import("../report/answer_data.ts");
    const { answerTotal } = await import(
      new URL("../attribution/answer/answer_total.ts", import.meta.url).href
    ) as typeof import("../attribution/answer/answer_total.ts");
    const command = attributeCommand(job);
    const options = { command, predictions, cards: 0, words: fieldWords(job.words) };
    const total = await answerTotal(answer);
    return await reported(await answerReportData(answer, options, total), total, cards, tell);
  }

  /** Features with other activations, or a set of them. */
  async #change(job: SteerJob | SelectJob, tell: Tell): Promise<JobEvent> {
    const opened = await this.#openAll(job, tell);
    const { selected, steered } = await import(
      new URL("./change/perform.ts", import.meta.url).href
    ) as typeof import("./change/perform.ts");
    return job.kind === "steer" ? await steered(opened, job) : await selected(opened, job, tell);
  }

  /** Opens them, and downloads what the job will read of them, where that is missing. */
  async #openAll(job: ModelJob, tell: Tell): Promise<{ model: Model; saes: readonly Sae[] }> {
    const opened = await this.#openFiles(job, tell);
    const needs = await jobNeeds(opened.model, opened.saes, job);
    const { missing } = await priceOf(needs);
    if (missing > 0) {
      this.#onProgress = this.#follow(missing, tell);
      await fetchNeeds(needs);
    }
    tell({ type: "running" });
    return opened;
  }

  async #needs(job: ModelJob, tell: Tell): Promise<Need[]> {
    const { model, saes } = await this.#openFiles(job, tell);
    return await jobNeeds(model, saes, job);
  }

  async #openFiles(job: ModelJob, tell: Tell): Promise<{ model: Model; saes: readonly Sae[] }> {
    const model = await this.#openModel(job, tell);
    const saes: Sae[] = [];
    for (const asked of job.saes) saes.push(...(await this.#openSaes(asked, model, tell)).saes);
    return { model, saes };
  }

  /** Tells how far downloads are, of which so many bytes are expected. */
  #follow(total: number, tell: Tell): (progress: DownloadProgress) => void {
    const downloads = new JobDownloads(total, this.#progress);
    return ({ path }) => tell(downloads.event(path));
  }

  /** A browser's, whose size nobody else sees: files that are open there are fetched again when they are read. */
  async #storage(empty: boolean): Promise<JobEvent> {
    const storage = await browserStorage();
    if (empty) await storage.clear();
    return { type: "storage", bytes: await storage.size(), passing: storage.passing ?? null };
  }

  #openModel({ model: name, revision }: ModelJob, tell: Tell): Promise<Model> {
    return this.#models.use(JSON.stringify([name, revision]), () => {
      const { device, threads } = this.#options;
      const { place, isPublic, onProgress } = this.#announce(name, tell);
      return loadModel(place, { device, threads, revision, isPublic, onProgress, onStage: () => this.#goOn() });
    });
  }

  #openSaes(asked: SaeRequest, model: Model, tell: Tell): Promise<OpenedSaes> {
    const { nLayers } = model.architecture.config;
    return this.#saes.use(JSON.stringify([asked, nLayers]), () => {
      const { place, isPublic, onProgress } = this.#announce(asked.source, tell);
      return openSaes({ ...asked, source: place }, nLayers, { isPublic, onProgress });
    });
  }

  /** Tells that something is opened, and where it is. */
  #announce(name: string, tell: Tell): { place: string; isPublic: boolean; onProgress: (p: DownloadProgress) => void } {
    tell({ type: "opening", name });
    const { places = {} } = this.#options;
    const isNamed = Object.hasOwn(places, name);
    const onProgress = (progress: DownloadProgress): void => {
      this.#progress.set(name, progress);
      this.#onProgress(progress);
    };
    return { place: isNamed ? places[name] : name, isPublic: !isNamed && !isChosen(name), onProgress };
  }

  /** Closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#models[Symbol.asyncDispose]();
    await this.#saes[Symbol.asyncDispose]();
  }
}

/** A report; one with cards is told without them first, for which nobody need wait. */
async function reported(
  bare: ReportData,
  result: Attribution,
  cards: number,
  tell: Tell,
): Promise<JobEvent> {
  if (cards === 0) return { type: "report", report: bare };
  tell({ type: "report", report: bare });
  return { type: "report", report: await withCards(bare, result, cards) };
}

/** A table as the format has it. */
async function writtenRows(table: Table, format: Exclude<AttributeJob["format"], "report">): Promise<JobEvent> {
  const chunks = [...(await tableWriter(format))(table)] as BlobPart[];
  if (format !== "parquet") return { type: "rows", text: chunks.join("") };
  return { type: "file", bytes: await new Blob(chunks).bytes() };
}

function describeSae({ source, hookOut, config }: Sae): PredictionAnswer["saes"][number] {
  return { source, hook: hookOut, d_sae: config.dSae };
}

function describePrediction({ id, token, rank, logit, probability }: PredictedToken): PredictedToken {
  return { id, token, rank, logit, probability };
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
