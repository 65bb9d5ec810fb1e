/**
 * The engine in the page itself: jobs go to this module in a Worker, lists are made here.
 *
 * @module
 */
import { listModels, type ListQuery, listSaes, offeredAtStart } from "../../web/catalog.ts";
import { readSelect, readSteer } from "../../web/change/requests.ts";
import { readAttribute, type ReadJob, readPredict } from "../../web/job_requests.ts";
import type { Job, JobEvent, ModelJob } from "../../web/jobs.ts";
import { checkOffered, DEFAULT_OFFER, defaultsOf, type Offered } from "../../web/offered.ts";
import type {
  Answer,
  AttributeAnswer,
  Capabilities,
  Engine,
  EngineBody,
  EngineStatus,
  JobOptions,
  LocalChoices,
  LocalFile,
  ModelList,
  Price,
  SaeList,
} from "../../web/page/engine.ts";
import { JobQueue } from "../../web/queue.ts";
import { WorkerHandle } from "../../web/worker_handle.ts";
import { findLocalFiles } from "./local_files.ts";

/** How long a run may take: no server waits for it, and the user can cancel it. About 24 days, a timer's longest. */
const LIMIT_MS = 2 ** 31 - 1;
/** A run that was cancelled and does not see it: what is open is opened again then. */
const SILENCE_MS = 500;
const LIMIT = 50;

/** How the engine runs. */
export interface WorkerEngineOptions {
  /** What would be environment variables: `HF_ENDPOINT`, where the hub is, and `HF_TOKEN`. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Does in a Worker what the server does in its own. */
export class WorkerEngine implements Engine {
  readonly capabilities: Capabilities = {
    devices: [],
    price: (kind, body) => this.#price(kind, body),
    localFiles: (files) => this.#localFiles(files),
    storage: {
      size: async () => (await this.#storage(false)).bytes,
      empty: async () => void await this.#storage(true),
    },
  };
  /** The user's own files by location. */
  readonly #chosen = new Set<string>();
  /** Bundled models, public ones, which are downloaded when they are first used, and the user's own. */
  readonly #offer: Offered = { ...DEFAULT_OFFER, chosen: this.#chosen };
  readonly #worker: WorkerHandle;
  readonly #queue: JobQueue<Job, JobEvent>;

  /** The Worker begins with the first job. */
  constructor({ variables }: WorkerEngineOptions = {}) {
    const options = { device: "wasm", threads: undefined, variables } as const;
    this.#worker = new WorkerHandle(options, { limitMs: LIMIT_MS, silenceMs: SILENCE_MS });
    this.#queue = new JobQueue(this.#worker);
  }

  status(): Promise<EngineStatus> {
    return Promise.resolve(offeredAtStart(this.#offer) as unknown as EngineStatus);
  }

  models(query: Partial<ListQuery>): Promise<ModelList> {
    return listModels(whole(query), this.#offer);
  }

  saes(query: Partial<ListQuery>): Promise<SaeList> {
    return listSaes(whole(query), this.#offer);
  }

  async predict(body: EngineBody, options: JobOptions): Promise<Answer<"prediction">> {
    return await this.#perform(this.#read(readPredict, body), options) as Answer<"prediction">;
  }

  async attribute(body: EngineBody, options: JobOptions): Promise<AttributeAnswer> {
    return await this.#perform(this.#read(readAttribute, body), options) as AttributeAnswer;
  }

  async steer(body: EngineBody, options: JobOptions): Promise<Answer<"steered">> {
    return await this.#perform(this.#read(readSteer, body), options) as Answer<"steered">;
  }

  async select(body: EngineBody, options: JobOptions): Promise<Answer<"set">> {
    return await this.#perform(this.#read(readSelect, body), options) as Answer<"set">;
  }

  /** A job that opens nothing but what is offered. */
  #read(read: ReadJob<ModelJob>, body: EngineBody): ModelJob {
    const job = read(body, defaultsOf(this.#offer), "backquotes");
    checkOffered(job, this.#offer);
    return job;
  }

  async #price(kind: "predict" | "attribute", body: EngineBody): Promise<Price> {
    const of = this.#read(kind === "predict" ? readPredict : readAttribute, body);
    const { download, stored } = await this.#quietly({ kind: "price", words: "backquotes", of }) as Answer<"price">;
    return { download, stored };
  }

  async #storage(empty: boolean): Promise<Answer<"storage">> {
    return await this.#quietly({ kind: "storage", words: "backquotes", empty }) as Answer<"storage">;
  }

  async #localFiles(files: readonly LocalFile[]): Promise<LocalChoices> {
    const { offers, ...choices } = await findLocalFiles(files);
    for (const [location, own] of offers) this.#worker.offer(location, own);
    for (const { name } of [...choices.models, ...choices.saes]) this.#chosen.add(name);
    return choices;
  }

  async #quietly(job: Job): Promise<JobEvent> {
    return await this.#queue.submit({ job, client: "page", signal: new AbortController().signal });
  }

  /** As over HTTP, the answer is an event too. */
  async #perform(job: ModelJob, { signal, onEvent }: JobOptions): Promise<JobEvent> {
    const onAhead = (ahead: number): void => onEvent({ type: "waiting", ahead });
    const answer = await this.#queue.submit({ job, client: "page", signal, onAhead, onEvent });
    onEvent(answer);
    return answer;
  }
}

function whole({ search = "", model, limit = LIMIT }: Partial<ListQuery>): ListQuery {
  return { search, model, limit };
}
