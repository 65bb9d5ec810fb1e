/** A Redis that a test starts; Debian's redis-server is enough. */
import { cliCommand, inDirectory } from "../../cli/run_cli.ts";
import { Queue, Redis } from "../../../lib/deps/bullmq.ts";
import { QUEUE } from "../../../lib/batch/queue/redis.ts";
import { until } from "../prompts.ts";

/** A process that goes on beside the test, whose output is read so that it is never held up. */
export function background(args: readonly string[]): { child: Deno.ChildProcess; stderr: Promise<string> } {
  const child = cliCommand(args).spawn();
  child.stdout.cancel();
  return { child, stderr: new Response(child.stderr).text() };
}

/** Ends a process, and waits for its end. */
export async function end(child: Deno.ChildProcess, signal: Deno.Signal): Promise<Deno.CommandStatus> {
  try {
    child.kill(signal);
  } catch {
    // it has ended by itself
  }
  return await child.status;
}

/** A port that was free. */
export function freePort(): number {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return listener.addr.port;
}

function hasRedis(): boolean {
  try {
    return new Deno.Command("redis-server", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/** A Redis that keeps what it is told in a directory, as one does whose jobs shall outlive it. */
export class TestRedis {
  readonly #directory: string;
  readonly #port = freePort();
  #child: Deno.ChildProcess | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const keep = ["--dir", this.#directory, "--appendonly", "yes", "--save", ""];
    const args = ["--port", String(this.#port), "--bind", "127.0.0.1", ...keep];
    this.#child = new Deno.Command("redis-server", { args, stdout: "null", stderr: "null" }).spawn();
    await until("Redis", async () => {
      try {
        using _ = await Deno.connect({ port: this.#port, hostname: "127.0.0.1" });
        return true;
      } catch {
        return false;
      }
    });
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    await end(this.#child!, signal);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It says nothing any more, but keeps its connections. */
  freeze(): void {
    this.#child!.kill("SIGSTOP");
  }

  /** It says nothing for a while. */
  async pause(milliseconds: number): Promise<void> {
    this.freeze();
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    this.#child!.kill("SIGCONT");
  }

  async command(...words: [string, ...string[]]): Promise<void> {
    const connection = new Redis(this.url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
    connection.on("error", () => {}); // it may end itself
    await connection.call(...words).catch(() => {});
    connection.disconnect();
  }

  /** Puts jobs in that are none: nothing, text, a shard that is a path. */
  async junk(directory: string): Promise<void> {
    const connection = new Redis(this.url, { maxRetriesPerRequest: null });
    const queue = new Queue(QUEUE, { connection });
    const run = "0".repeat(32);
    for (const data of [null, "text", [1], { run, directory, shard: "../../evil" }, { run, directory, shard: 0 }]) {
      await queue.add("shard", data);
    }
    await queue.close();
    connection.disconnect();
  }
}

/** Runs a test with a Redis, where there is one. */
export async function withRedis(test: (directory: string, redis: TestRedis) => Promise<void>): Promise<void> {
  if (!hasRedis()) return console.log("skipped: there is no redis-server (Debian: apt-get install redis-server)");
  await inDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/redis`);
    const redis = new TestRedis(`${directory}/redis`);
    await redis.start();
    try {
      await test(directory, redis);
    } finally {
      await redis.stop("SIGKILL");
    }
  });
}
