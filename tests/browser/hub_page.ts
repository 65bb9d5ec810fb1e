/** A page for tests: the site's engine with a hub of the tests, and its storage. Bundled as the site is. */
import { WorkerEngine } from "../../lib/site/page/worker_engine.ts";
import type { LocalFile } from "../../lib/web/page/engine.ts";

/** What a test asks of an engine, and what it is told. */
type Ask = "attribute" | "predict" | "price" | "size" | "empty" | "localFiles";

const page = globalThis as unknown as Record<string, unknown> & {
  readonly document: { querySelector(selector: string): { readonly files: Iterable<File> } };
};

let engine: WorkerEngine | undefined;

page.begin = (variables: Readonly<Record<string, string>>): void => void (engine = new WorkerEngine({ variables }));

page.ask = async (ask: Ask, body: Readonly<Record<string, unknown>>, cancelAfter = Infinity): Promise<unknown> => {
  const { capabilities: { price, storage, localFiles } } = engine!;
  const start = performance.now();
  const events: { readonly type: string; readonly at: number }[] = [];
  const stop = new AbortController();
  const onEvent = (event: { readonly type: string; readonly done?: number }): void => {
    events.push({ type: event.type, at: performance.now() - start });
    if ((event.done ?? 0) > cancelAfter) stop.abort(new Error("cancelled"));
  };
  const options = { signal: stop.signal, onEvent };
  try {
    switch (ask) {
      case "attribute":
      case "predict":
        return { answer: await engine![ask](body, options), events, took: performance.now() - start };
      case "price":
        return { answer: await price!("attribute", body) };
      case "size":
        return { answer: await storage!.size() };
      case "empty":
        return { answer: await storage!.empty() };
      case "localFiles":
        return { answer: await localFiles!(chosen()) };
    }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error), events };
  }
};

/** What the page's file input has. */
function chosen(): LocalFile[] {
  const { files } = page.document.querySelector("input");
  return [...files].map((file) => ({
    path: (file as { webkitRelativePath?: string }).webkitRelativePath || file.name,
    file,
  }));
}
