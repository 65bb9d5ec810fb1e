/**
 * The worker of the local page: the model lives here, because a run blocks the event loop.
 *
 * @module
 */
import { setVariables } from "../platform/environment.ts";
import { NotFound } from "../platform/errors.ts";
import { plainMessage } from "../platform/plain_message.ts";
import { offerFilesAt } from "../weights/files/chosen.ts";
import { TransientError } from "../weights/http/answers.ts";
import { ApiError } from "./api_error.ts";
import { Engine } from "./engine.ts";
import { fieldWords } from "./job_requests.ts";
import type { Job, JobEvent, WorkerAnswer, WorkerRequest } from "./jobs.ts";

/** A worker's own scope, as far as it is used here. */
interface Scope {
  onmessage: ((message: MessageEvent<WorkerRequest>) => void) | null;
  postMessage(answer: WorkerAnswer): void;
}

const scope = globalThis as unknown as Scope;
let engine: Engine | undefined;
let givenUp: Int32Array = new Int32Array(1);

scope.onmessage = ({ data }) => {
  if ("options" in data) {
    setVariables(data.options.variables ?? {});
    [engine, givenUp] = [new Engine(data.options), data.givenUp];
  } else if ("location" in data) offerFilesAt(data.location, data.files);
  else void answer(data);
};

async function answer({ id, job }: Extract<WorkerRequest, { id: number }>): Promise<void> {
  const goOn = (): void => {
    if (Atomics.load(givenUp, 0) >= id) throw new ApiError(499, "Nobody waits for this run any more");
  };
  const tell = (event: JobEvent): void => {
    goOn();
    scope.postMessage({ id, kind: "event", event });
  };
  try {
    const event = await engine!.perform(job, tell, goOn);
    scope.postMessage({ id, kind: "done", event });
  } catch (error) {
    scope.postMessage({ id, kind: "error", ...describe(error, job) });
  }
}

/** What was asked for was wrong, or cannot be had; or it is our fault. */
function describe(error: unknown, { words }: Job): { status: number; message: string } {
  const message = fieldWords(words)(error instanceof Error ? plainMessage(error) || error.name : String(error));
  if (error instanceof ApiError) return { status: error.status, message };
  if (error instanceof NotFound) return { status: 404, message };
  if (error instanceof TransientError) return { status: 502, message }; // a server that files are read from
  const isTheirs = error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError;
  return { status: isTheirs ? 400 : 500, message };
}
