/**
 * A job's answer over HTTP: whole, or line by line as it comes.
 *
 * @module
 */
import { MEDIA_TYPES } from "../table/formats.ts";
import { ApiError, errorBody } from "./api_error.ts";
import type { AttributeJob, Job, JobEvent } from "./jobs.ts";
import type { JobQueue, Submission } from "./queue.ts";

type Asked = Pick<Submission<Job, JobEvent>, "job" | "client" | "signal">;
type Queue = JobQueue<Job, JobEvent>;

/**
 * The answer alone.
 *
 * @throws {ApiError} if the job is refused or fails
 */
export async function jobResponse(queue: Queue, asked: Asked): Promise<Response> {
  const event = await queue.submit(asked);
  switch (event.type) {
    case "prediction":
      return Response.json(event.prediction);
    case "report":
      return Response.json(event.report);
    case "steered":
      return Response.json(event.steered);
    case "set":
      return Response.json(event.set);
    case "rows":
      return new Response(event.text, { headers: { "content-type": mediaType(asked.job as AttributeJob) } });
    case "file":
      return new Response(event.bytes, { headers: { "content-type": mediaType(asked.job as AttributeJob) } });
    default:
      throw new ApiError(500, `The run ended with ${event.type}`);
  }
}

function mediaType({ format }: AttributeJob): string {
  return format === "report" ? "application/json" : MEDIA_TYPES[format];
}

/** A line of the stream besides those of jobs. */
type StreamEvent =
  | JobEvent
  | { readonly type: "waiting"; readonly ahead: number }
  | ({ readonly type: "error" } & ReturnType<typeof errorBody>["error"]);

/**
 * Events as JSON lines: its place in the queue, what the job tells, and last its answer or an error.
 *
 * @throws {ApiError} if the queue refuses the job: that is known before the first line; or if the answer is no text
 */
export async function jobStream(queue: Queue, asked: Asked): Promise<Response> {
  if (asked.job.kind === "attribute" && asked.job.format === "parquet") {
    throw new ApiError(400, '"format": "parquet" is not lines of JSON: ask without Accept: application/x-ndjson');
  }
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const signal = AbortSignal.any([asked.signal, gone.signal]);
  const accepted = Promise.withResolvers<void>();
  let send: (event: StreamEvent) => void = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      send = (event) => {
        if (!signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(event)}\n`));
      };
      const onAhead = (ahead: number): void => {
        accepted.resolve();
        send({ type: "waiting", ahead });
      };
      queue.submit({ ...asked, signal, onAhead, onEvent: send })
        .then(send, (error: unknown) => {
          accepted.reject(error); // nothing happens if it was accepted
          send({ type: "error", ...errorBody(error).error });
        })
        .finally(() => signal.aborted ? undefined : controller.close());
    },
    cancel: () => gone.abort(new DOMException("The client has gone", "AbortError")),
  });
  await accepted.promise;
  return new Response(body, { headers: { "content-type": "application/x-ndjson", "x-accel-buffering": "no" } });
}
