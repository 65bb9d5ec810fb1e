/**
 * The engine in the page itself: jobs go to this module in a Worker, lists are made here.
 *
 * @module
 */
import { listModels, type ListQuery, listSaes, offeredAtStart } from "../../web/catalog.ts";
import { readAttribute, readPredict } from "../../web/job_requests.ts";
import type { Job, JobEvent } from "../../web/jobs.ts";
import { checkOffered, DEFAULT_OFFER, defaultsOf } from "../../web/offered.ts";
import type {
  Answer,
  AttributeAnswer,
  Capabilities,
  Engine,
  EngineBody,
  EngineStatus,
  JobOptions,
  ModelList,
  SaeList,
} from "../../web/page/engine.ts";
import { JobQueue } from "../../web/queue.ts";
import { WorkerHandle } from "../../web/worker_handle.ts";

/** How long a run may take: no server waits for it, and the user can cancel it. About 24 days, a timer's longest. */
const LIMIT_MS = 2 ** 31 - 1;
/** A run that was cancelled and does not see it: what is open is opened again then. */
const SILENCE_MS = 500;
const LIMIT = 50;

/** Does in a Worker what the server does in its own. */
export class WorkerEngine implements Engine {
  readonly capabilities: Capabilities = { devices: [] };
  readonly #queue = new JobQueue<Job, JobEvent>(
    new WorkerHandle({ device: "wasm", threads: undefined }, { limitMs: LIMIT_MS, silenceMs: SILENCE_MS }),
  );

  status(): Promise<EngineStatus> {
    return Promise.resolve(offeredAtStart(DEFAULT_OFFER) as unknown as EngineStatus);
  }

  models(query: Partial<ListQuery>): Promise<ModelList> {
    return listModels(whole(query), DEFAULT_OFFER);
  }

  saes(query: Partial<ListQuery>): Promise<SaeList> {
    return listSaes(whole(query), DEFAULT_OFFER);
  }

  async predict(body: EngineBody, options: JobOptions): Promise<Answer<"prediction">> {
    return await this.#perform(readPredict(body, defaultsOf(DEFAULT_OFFER), "backquotes"), options) as Answer<
      "prediction"
    >;
  }

  async attribute(body: EngineBody, options: JobOptions): Promise<AttributeAnswer> {
    const job = readAttribute(body, defaultsOf(DEFAULT_OFFER), "backquotes");
    return await this.#perform(job, options) as AttributeAnswer;
  }

  /** As over HTTP, the answer is an event too. */
  async #perform(job: Job, { signal, onEvent }: JobOptions): Promise<JobEvent> {
    checkOffered(job, DEFAULT_OFFER);
    const onAhead = (ahead: number): void => onEvent({ type: "waiting", ahead });
    const answer = await this.#queue.submit({ job, client: "page", signal, onAhead, onEvent });
    onEvent(answer);
    return answer;
  }
}

function whole({ search = "", model, limit = LIMIT }: Partial<ListQuery>): ListQuery {
  return { search, model, limit };
}
