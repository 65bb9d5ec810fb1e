import assert from "node:assert/strict";
import { ApiError } from "../../lib/web/api_error.ts";
import { JobQueue } from "../../lib/web/queue.ts";

/** A performer whose jobs end when they are told to, and what it has begun. */
function manual(): {
  queue: JobQueue<string, string>;
  begun: string[];
  end(job: string): void;
} {
  const begun: string[] = [];
  const ends = new Map<string, (answer: string) => void>();
  const perform = (job: string): Promise<string> => {
    begun.push(job);
    return new Promise((resolve) => ends.set(job, resolve));
  };
  const queue = new JobQueue<string, string>({ perform }, { waiting: 3, waitingPerClient: 2 });
  return { queue, begun, end: (job) => ends.get(job)!(`${job} done`) };
}

const never = new AbortController().signal;
const soon = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("jobs run one after another in their order, and hear their place", async () => {
  const { queue, begun, end } = manual();
  const places: string[] = [];
  const submit = (job: string, client: string) =>
    queue.submit({ job, client, signal: never, onAhead: (ahead) => places.push(`${job} ${ahead}`) });
  const answers = [submit("a", "1"), submit("b", "1"), submit("c", "2")];
  assert.deepEqual(begun, ["a"]);
  end("a");
  assert.equal(await answers[0], "a done");
  await soon();
  assert.deepEqual(begun, ["a", "b"]);
  end("b");
  await soon();
  end("c");
  assert.deepEqual(await Promise.all(answers), ["a done", "b done", "c done"]);
  assert.deepEqual(places, ["a 0", "b 1", "c 2", "c 1", "b 0", "c 0"]);
});

Deno.test("too many are refused, with a time after which to try again", async () => {
  const { queue } = manual();
  const submit = (client: string) => queue.submit({ job: client, client, signal: never });
  for (const client of ["1", "2", "2"]) void submit(client);
  await assert.rejects(submit("2"), (error: ApiError) => error.status === 429 && error.retryAfter! > 0);
  void submit("3");
  await assert.rejects(submit("4"), (error: ApiError) => error.status === 503 && error.retryAfter! > 0);
  assert.equal(queue.waiting, 3);
});

Deno.test("a job that is given up leaves the queue at once; one that runs is no longer waited for", async () => {
  const { queue, begun, end } = manual();
  const [first, second] = [new AbortController(), new AbortController()];
  const running = queue.submit({ job: "a", client: "1", signal: first.signal });
  const waiting = queue.submit({ job: "b", client: "2", signal: second.signal });
  const last = queue.submit({ job: "c", client: "3", signal: never });
  second.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  first.abort();
  await assert.rejects(running, { name: "AbortError" });
  assert.equal(queue.waiting, 1);
  assert.deepEqual(begun, ["a"]); // the performer is not free yet
  end("a");
  await soon();
  assert.deepEqual(begun, ["a", "c"]);
  end("c");
  assert.equal(await last, "c done");
});

Deno.test("after a failure the next job runs", async () => {
  let calls = 0;
  const perform = (): Promise<string> => ++calls === 1 ? Promise.reject(new Error("broken")) : Promise.resolve("fine");
  const queue = new JobQueue<string, string>({ perform });
  const [first, second] = ["a", "b"].map((job) => queue.submit({ job, client: "1", signal: never }));
  await assert.rejects(first, /broken/);
  assert.equal(await second, "fine");
});
