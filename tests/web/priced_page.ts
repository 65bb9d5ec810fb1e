/// <reference lib="dom" />
/**
 * The page with an engine that can everything: what it costs, keeps and opens is made up, its answers are the server's.
 * It downloads until the test lets it go on.
 */
import { HttpEngine } from "../../lib/web/page/http_engine.ts";
import type { Capabilities, EngineBody, EngineStatus, JobOptions } from "../../lib/web/page/engine.ts";
import { startPage } from "../../lib/web/page/page.ts";

/** What the test looks at and decides. */
interface Asked {
  jobs: { job: string; body: EngineBody }[];
  goOn?: () => void;
}

const asked: Asked = { jobs: [] };
Object.assign(globalThis, { asked });

class PricedEngine extends HttpEngine {
  #stored = 0;

  override readonly capabilities: Capabilities = {
    devices: [],
    price: (job) => Promise.resolve({ download: 416e6 - this.#stored, stored: job === "predict" ? 0 : this.#stored }),
    localFiles: async (files) => {
      const ignored = await Promise.all(files.map(async ({ path, file }) => `${path} is ${await file.text()}.`));
      const choice = { name: "tiny-facts", description: "", local: true };
      return { models: [choice], saes: [{ ...choice, name: "tiny-facts/blocks.2.hook_resid_pre" }], ignored };
    },
    storage: {
      size: () => Promise.resolve(this.#stored),
      empty: () => Promise.resolve(this.#stored = 0).then(() => {}),
    },
  };

  override async status(): Promise<EngineStatus> {
    const status = await super.status();
    const featured = status.featured?.map((one) => ({ ...one, isHere: false }));
    return { ...status, bundled: [], local: [], featured };
  }

  override async predict(body: EngineBody, options: JobOptions) {
    asked.jobs.push({ job: "predict", body });
    return await super.predict(body, options);
  }

  override async attribute(body: EngineBody, options: JobOptions) {
    asked.jobs.push({ job: "attribute", body });
    if (this.#stored === 0) await this.#download(options);
    return await super.attribute(body, options);
  }

  async #download({ onEvent, signal }: JobOptions): Promise<void> {
    const pace = { bytes_per_second: 52e6, seconds_left: 6 };
    onEvent({ type: "downloading", path: "model.safetensors", done: 104e6, total: 416e6, ...pace });
    await new Promise<void>((resolve, reject) => {
      asked.goOn = resolve;
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    this.#stored = 416e6;
  }
}

startPage(new PricedEngine());
