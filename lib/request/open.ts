/**
 * Opening what a request runs on.
 *
 * @module
 */
import { BUNDLED } from "../bundled.ts";
import { loadModel, type Model } from "../model/model.ts";
import { NotFound } from "../platform/errors.ts";
import { fileSystem } from "../platform/files.ts";
import { loadSaes, type LoadSaeSettings } from "../sae/load.ts";
import type { Sae } from "../sae/sae.ts";
import { shownName } from "../weights/files/places.ts";
import type { DownloadProgress } from "../weights/hub/progress.ts";
import type { ModelRequest } from "./request.ts";
import { everyLayer, type SaeRequest } from "./saes.ts";

/** A model and its SAEs, closed together. */
export interface Opened extends AsyncDisposable {
  readonly model: Model;
  /** In the order of the request; of a cross-layer transcoder, all layers. */
  readonly saes: readonly Sae[];
  /** By SAE, what it was asked for by; several where one source has the layers of a cross-layer transcoder. */
  readonly requests: readonly SaeRequest[];
}

/** What is opened. */
export interface OpenRequest extends Pick<ModelRequest, "model" | "revision" | "device" | "threads"> {
  readonly saes: readonly SaeRequest[];
  /** Default `auto`. */
  readonly weights?: ModelRequest["weights"];
  /** Bytes. */
  readonly memoryLimit?: number;
  /** Weights may stay in memory: with `auto` those of the model, with `resident` those of the SAEs too. */
  readonly manyPrompts?: boolean;
  /** By prompt that will run, about how many tokens it has; 0 where that is not known. */
  readonly tokens?: readonly number[];
}

/**
 * Opens a model and SAEs; nothing stays open if one of them fails.
 *
 * @throws {NotFound} naming the bundled ones, if there is nothing of that name
 */
export async function open(
  { model: name, revision, device, threads, memoryLimit, weights: choice = "auto", ...request }: OpenRequest,
  onProgress?: (progress: DownloadProgress) => void,
): Promise<Opened> {
  const { saes: asked, manyPrompts = false, tokens = [0] } = request;
  const weights = choice === "auto" && !manyPrompts ? "streamed" : choice;
  await using stack = new AsyncDisposableStack();
  const opening = loadModel(name, { device, threads, weights, memoryLimit, revision, tokens, onProgress });
  const model = stack.use(await withNames(name, Object.keys(BUNDLED), opening));
  const saeWeights = manyPrompts && choice === "resident" ? "resident" : "streamed";
  const groups: OpenedSaes[] = [];
  for (const one of asked) {
    const group = openSaes(one, model.architecture.config.nLayers, { weights: saeWeights, onProgress });
    groups.push(stack.use(await group));
  }
  const opened = stack.move();
  return {
    model,
    saes: groups.flatMap(({ saes }) => saes),
    requests: groups.flatMap(({ requests }) => requests),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** What one request for an SAE opens: several where it is a cross-layer transcoder, or means every layer. */
export type OpenedSaes = Omit<Opened, "model">;

/**
 * Opens what a request for an SAE means in a model of so many layers; nothing stays open if one of them fails.
 *
 * @throws {NotFound} if there is nothing of that name
 */
export async function openSaes(
  asked: SaeRequest,
  nLayers: number,
  options: Pick<LoadSaeSettings, "weights" | "isPublic" | "onProgress"> = {},
): Promise<OpenedSaes> {
  await using stack = new AsyncDisposableStack();
  const saes: Sae[] = [];
  const requests: SaeRequest[] = [];
  const bundled = Object.values(BUNDLED).flatMap(({ saes }) => Object.keys(saes));
  for (const one of everyLayer(asked, nLayers)) {
    const { source, hook, hookIn, normScalingFactor } = one;
    const loading = loadSaes(source, { hook, hookIn, normScalingFactor, ...options });
    // A public name has nothing to do with the files here.
    const loaded = await (options.isPublic ? loading : withNames(source, bundled, loading));
    saes.push(...loaded.map((sae) => stack.use(sae)));
    requests.push(...loaded.map(() => one));
    if (loaded.length > 1 && one.explanations !== undefined) {
      throw new RangeError(
        `${shownName(source)} is a cross-layer transcoder: \`explanations\` cannot say which layer it is about`,
      );
    }
  }
  const opened = stack.move();
  return { saes, requests, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** What is neither there nor a URL may be a misspelt name: the error then lists the bundled ones. */
async function withNames<T>(source: string, bundled: readonly string[], opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof NotFound) || await exists(source)) throw error;
    const names = bundled.join(", ");
    throw new NotFound(`${error.message}: give a directory, a URL, or a bundled name (${names})`, {
      cause: error,
    });
  }
}

async function exists(source: string): Promise<boolean> {
  if (URL.canParse(source)) return true;
  return await fileSystem.stat(source).then(() => true, () => false);
}
