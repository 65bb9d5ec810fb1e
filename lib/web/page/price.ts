/**
 * What a question downloads, said before it does. The next-token table reads the logits of the whole vocabulary: where
 * that is a download of its own, it is there at a click.
 *
 * @module
 */
import type { Engine, EngineBody, EngineStatus, Price } from "./engine.ts";
import { find } from "./find.ts";
import { megabytes } from "./status.ts";

const TYPING_MS = 350;

/** Prices of one engine. Where it has none, everything is free and nothing is shown. */
export class Prices {
  readonly #price: Engine["capabilities"]["price"];
  readonly #free: ReadonlySet<string>;
  /** Models of which the table was asked for. */
  readonly #wanted = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ capabilities }: Engine, { bundled }: EngineStatus) {
    this.#price = capabilities.price;
    this.#free = new Set(bundled);
  }

  /** Whether the next-token table of a model comes with every answer. */
  hasTable(model: string): boolean {
    return this.#price === undefined || this.#free.has(model) || this.#wanted.has(model);
  }

  /** The table of this model is wanted from now on. */
  wantTable(model: string): void {
    this.#wanted.add(model);
  }

  /** Says what an attribution would download, a moment after the question has changed. */
  show(model: string, body: EngineBody): void {
    clearTimeout(this.#timer);
    const line = find("price");
    line.hidden = true;
    const price = this.#price;
    if (price === undefined || this.#free.has(model)) return;
    const ask = async (): Promise<void> => {
      const asked = this.#timer;
      const found = await price("attribute", body).catch(() => undefined); // asking the question says what is wrong
      if (found === undefined || asked !== this.#timer) return;
      line.textContent = priceWords(found);
      line.hidden = false;
    };
    this.#timer = setTimeout(ask, TYPING_MS);
  }

  /** Offers the table where it was left out. */
  async offerTable(isLeftOut: boolean, body: EngineBody): Promise<void> {
    find("table-panel").hidden = !isLeftOut;
    if (!isLeftOut || this.#price === undefined) return;
    const line = find("table-price");
    line.textContent = "";
    const found = await this.#price("predict", body).catch(() => undefined);
    if (found !== undefined) line.textContent = priceWords(found);
  }
}

function priceWords({ download, stored }: Price): string {
  if (download === 0) return "Everything that it reads is here: no download.";
  return `Downloads ${megabytes(download)}${stored === 0 ? "" : `; ${megabytes(stored)} are here already`}.`;
}
