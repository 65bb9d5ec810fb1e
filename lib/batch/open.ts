/**
 * Opening what a run needs, from its settings alone.
 *
 * @module
 */
import { loadModel, type Model } from "../model/model.ts";
import { loadSaes } from "../sae/load.ts";
import type { Sae } from "../sae/sae.ts";
import type { BatchSettings } from "./settings.ts";

/** A model and its SAEs, closed together. */
export interface OpenRun extends AsyncDisposable {
  /** The model. */
  readonly model: Model;
  /** In the order of the settings; of a cross-layer transcoder, all layers. */
  readonly saes: readonly Sae[];
}

/** Opens the model and the SAEs; nothing stays open if one of them fails. */
export async function openRun(
  { model: name, revision, saes: wanted, device, threads, weights }: Omit<BatchSettings, "metric" | "rows">,
): Promise<OpenRun> {
  await using stack = new AsyncDisposableStack();
  const model = stack.use(await loadModel(name, { device, threads, weights, revision }));
  const saes: Sae[] = [];
  for (const { source, ...settings } of wanted) {
    for (const sae of await loadSaes(source, { ...settings, weights })) saes.push(stack.use(sae));
  }
  const opened = stack.move();
  return { model, saes, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
