/**
 * TransformerLens hook names, and where in the chain of stages they lie.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { type Architecture, NO_PROCESSING } from "../../models/family.ts";
import { nearestNames } from "../nearest_names.ts";

/** A hook by its stage (0 embed, 1 … n blocks, n + 1 final norm) and its name within the stage. */
export interface HookPoint {
  readonly name: string;
  readonly stage: number;
  readonly local: string;
}

/** All hook names of a model, in the order of the computation's stages. */
export function hookNames(architecture: Architecture): string[] {
  const { nLayers } = architecture.config;
  const names = Object.keys(architecture.embed(NO_PROCESSING).hooks);
  for (let layer = 0; layer < nLayers; layer++) {
    const { hooks } = architecture.block(layer, { processing: NO_PROCESSING, selectRows: false });
    names.push(...Object.keys(hooks).map((local) => `blocks.${layer}.${local}`));
  }
  return [...names, ...Object.keys(architecture.final(NO_PROCESSING).hooks)];
}

/** What lies in a block of Hugging Face's models: `model.layers.3.mlp`. */
const MODULE = /(?:^|\.)(?:h|layers)\.\d+\./;

/**
 * Finds a hook by name.
 *
 * @throws {RangeError} if the model has no such hook; the message names the nearest ones.
 */
export function findHook(architecture: Architecture, name: string): HookPoint {
  const { nLayers } = architecture.config;
  const block = /^blocks\.(\d{1,6})\.(.+)$/.exec(name);
  const layer = block ? Number(block[1]) : -1;
  if (block && layer < nLayers) {
    const { hooks } = architecture.block(layer, { processing: NO_PROCESSING, selectRows: false });
    if (Object.hasOwn(hooks, block[2])) return { name, stage: layer + 1, local: block[2] };
  }
  if (Object.hasOwn(architecture.embed(NO_PROCESSING).hooks, name)) return { name, stage: 0, local: name };
  if (Object.hasOwn(architecture.final(NO_PROCESSING).hooks, name)) return { name, stage: nLayers + 1, local: name };
  const near = nearestNames(name, hookNames(architecture), 3).map((n) => `"${n}"`).join(", ");
  const module = MODULE.test(name) ? ", and modules of Hugging Face's models are no hooks" : "";
  throw new RangeError(`No hook ${quote(name)} in this model of ${nLayers} layers${module}; near: ${near}`);
}
