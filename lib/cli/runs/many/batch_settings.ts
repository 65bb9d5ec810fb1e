/**
 * What a run over a data set is, worked out from the command line and from what it opens.
 *
 * @module
 */
import { isAbsolute, relative, resolve } from "node:path";
import { firstDifference, readManifest } from "../../../batch/shards/manifest.ts";
import { type BatchSettings, rowColumns } from "../../../batch/settings.ts";
import type { Store } from "../../../batch/shards/store.ts";
import { findBundledModel, findBundledSae } from "../../../bundled.ts";
import { chooseBinding } from "../../../model/stages/binding.ts";
import type { WeightBinding } from "../../../model/stages/stages.ts";
import { availableMemory } from "../../../platform/memory.ts";
import type { Opened } from "../../../request/open.ts";
import { UsageError } from "../../args/values.ts";
import type { BatchRequest } from "../../commands/many/batch.ts";

const MOST_DEFAULT_WORKERS = 4;

/** By the memory here, unless the user says it or the run has begun: its last digits depend on it. */
export async function chooseWeights(
  request: BatchRequest,
  { model, saes }: Opened,
  store: Store,
): Promise<WeightBinding> {
  const { weights, memoryLimit = availableMemory() / 2 } = request.asked;
  if (weights !== "auto") return weights;
  const before = await readManifest(store);
  if (before !== undefined) return before.settings.weights === "resident" ? "resident" : "streamed";
  const saeBytes = saes.reduce((sum, { config: { dSae, dIn, dOut } }) => sum + 4 * dSae * (dIn + dOut), 0);
  const limit = memoryLimit / numberOfWorkers(request) - saeBytes;
  return chooseBinding("auto", model.architecture, model.runtime.device, limit);
}

/** Other processes may stand in other directories. */
export async function withAbsolutePlaces(request: BatchRequest): Promise<BatchRequest> {
  const place = async (name: string, isBundled: boolean): Promise<string> => {
    if (isBundled || /^[a-z][a-z0-9+.-]+:\/\//i.test(name)) return name;
    return await Deno.stat(name).then(() => resolve(name), () => name);
  };
  const { asked, directory } = request;
  const { model, saes } = asked;
  return {
    ...request,
    asked: {
      ...asked,
      model: await place(model, findBundledModel(model) !== undefined),
      saes: await Promise.all(saes.map(async (sae) => ({
        ...sae,
        source: await place(sae.source, findBundledSae(sae.source) !== undefined),
      }))),
    },
    directory: resolve(directory),
  };
}

/** What decides the result, of what a command line asks for. */
export function toSettings({ asked }: BatchRequest, { saes }: Opened, weights: WeightBinding): BatchSettings {
  return {
    ...asked,
    saes: asked.saes.map(({ explanations: _, ...sae }) => sae), // labels are put to features at the end
    weights,
    memoryLimit: undefined,
    rows: { ...asked.rows, columns: rowColumns(asked, saes.length) },
  };
}

/**
 * Refuses settings that workers elsewhere could not open, since they are not written down.
 *
 * @throws {UsageError} if there is such a thing
 */
export function checkShared(settings: BatchSettings, shown: BatchSettings): void {
  if (firstDifference(shown, settings) === undefined) return;
  throw new UsageError(
    "the address of the model or of an SAE has credentials or a query, which are not written down for the workers " +
      "of a queue: leave out --queue, or give a directory",
  );
}

/** Models in memory at once; those of a queue are on machines of their own. */
export function numberOfWorkers({ workers, queue }: BatchRequest): number {
  if (queue !== undefined) return 1;
  return workers ?? Math.min(MOST_DEFAULT_WORKERS, navigator.hardwareConcurrency ?? 1);
}

/**
 * Refuses to write over what is read.
 *
 * @throws {UsageError} if the input or the labels are the output, or lie in the run's directory
 */
export async function refuseOwnInput(
  { input, asked: { saes }, file, directory }: Pick<BatchRequest, "input" | "asked" | "file" | "directory">,
): Promise<void> {
  const inside = await Deno.realPath(directory).catch(() => directory);
  for (const name of [input ?? "/dev/stdin", ...saes.flatMap(({ explanations = [] }) => explanations)]) {
    const read = await Deno.stat(name).catch(() => undefined);
    if (read === undefined || !read.isFile) continue;
    const written = file === undefined ? undefined : await Deno.stat(file).catch(() => undefined);
    if (written !== undefined && written.ino !== null && written.ino === read.ino && written.dev === read.dev) {
      throw new UsageError(`--output ${file} is the file that is read: choose another name`);
    }
    const way = relative(inside, await Deno.realPath(name).catch(() => name));
    if (!way.startsWith("..") && !isAbsolute(way)) {
      throw new UsageError(`${name} lies in ${directory}, where the run's files go: choose another --output`);
    }
  }
}
