/**
 * Opening what a command runs on.
 *
 * @module
 */
import { BUNDLED } from "../bundled.ts";
import { loadModel, type Model } from "../model/model.ts";
import { loadSaes } from "../sae/load.ts";
import type { Sae } from "../sae/sae.ts";
import type { DownloadProgress } from "../weights/hub/progress.ts";
import type { ModelRequest } from "../request/request.ts";
import type { Screen } from "./screen/output.ts";
import { expectedTokens, type PromptSource, STDIN } from "./args/prompt.ts";
import { withProgress } from "./screen/progress.ts";
import { shownName } from "../weights/files/shown_name.ts";
import { withDownloadProgress } from "./screen/pull_progress.ts";
import { everyLayer, type SaeRequest } from "../request/saes.ts";

/** A model and its SAEs, closed together. */
export interface Opened extends AsyncDisposable {
  readonly model: Model;
  readonly saes: readonly Sae[];
  /** By SAE, what it was asked for by; several where one source has the layers of a cross-layer transcoder. */
  readonly requests: readonly SaeRequest[];
}

/** What a command runs on. */
export interface OpenRequest extends Pick<ModelRequest, "model" | "revision" | "device" | "threads"> {
  readonly saes: readonly SaeRequest[];
  /** Default `auto`. */
  readonly weights?: ModelRequest["weights"];
  /** Bytes. */
  readonly memoryLimit?: number;
  /** Weights may stay in memory, if the user does not say otherwise. */
  readonly manyPrompts?: boolean;
  /** What runs, as far as is known before it is tokenized. */
  readonly prompts?: readonly PromptSource[];
  /** The same of a single one. */
  readonly prompt?: PromptSource;
}

/** The same with a line on the terminal while it lasts, which tells of downloads how far they are. */
export async function openShown(
  request: OpenRequest,
  screen: Screen,
): Promise<Opened> {
  let isOpening = true;
  try {
    return await withDownloadProgress(screen, (show) => {
      // What is fetched later, while the model runs, draws nothing.
      const onProgress = (progress: DownloadProgress): void => isOpening ? show(progress) : undefined;
      return withProgress(screen, "opening the model", () => openAll(request, onProgress));
    });
  } finally {
    isOpening = false;
  }
}

/** Opens a model and SAEs; nothing stays open if one of them fails. */
export async function openAll(
  request: OpenRequest,
  onProgress?: (progress: DownloadProgress) => void,
): Promise<Opened> {
  const { model: name, saes: asked, device, threads, memoryLimit, revision, manyPrompts = false } = request;
  const { weights: choice = "auto", prompt = STDIN, prompts = [prompt] } = request;
  const tokens = prompts.map(expectedTokens);
  const weights = choice === "auto" && !manyPrompts ? "streamed" : choice;
  await using stack = new AsyncDisposableStack();
  const model = stack.use(
    await withNames(
      name,
      Object.keys(BUNDLED),
      loadModel(name, { device, threads, weights, memoryLimit, revision, tokens, onProgress }),
    ),
  );
  const bundledSaes = Object.values(BUNDLED).flatMap(({ saes }) => Object.keys(saes));
  const requests = asked.flatMap((one) => everyLayer(one, model.architecture.config.nLayers));
  const saes: Sae[] = [];
  const openedFor: SaeRequest[] = [];
  for (const request of requests) {
    const { source, hook, hookIn, normScalingFactor } = request;
    const opening = loadSaes(source, { hook, hookIn, normScalingFactor });
    for (const sae of await withNames(source, bundledSaes, opening)) {
      saes.push(stack.use(sae));
      openedFor.push(request);
    }
    if (openedFor[openedFor.length - 2] === request && request.explanations !== undefined) {
      throw new RangeError(
        `${shownName(source)} is a cross-layer transcoder: --explanations cannot say which layer it is about`,
      );
    }
  }
  const opened = stack.move();
  return { model, saes, requests: openedFor, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** What is neither there nor a URL may be a misspelt name: the error then lists the bundled ones. */
async function withNames<T>(source: string, bundled: readonly string[], opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || await exists(source)) throw error;
    const names = bundled.join(", ");
    throw new Deno.errors.NotFound(`${error.message}: give a directory, a URL, or a bundled name (${names})`, {
      cause: error,
    });
  }
}

async function exists(source: string): Promise<boolean> {
  if (URL.canParse(source)) return true;
  return await Deno.stat(source).then(() => true, () => false);
}
