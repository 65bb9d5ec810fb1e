/**
 * SAEs as they are asked for.
 *
 * @module
 */
import { isAbsence } from "../platform/errors.ts";
import { fileSystem } from "../platform/files.ts";
import { findBundledModel } from "../bundled.ts";
import { quote } from "../quote.ts";
import { looksLikePath, looksLikePlace, shownName } from "../weights/files/places.ts";
import type { FieldValue } from "./field.ts";
import { RequestError } from "./request_error.ts";

/** An SAE as asked for. */
export interface SaeRequest {
  /** A bundled or public name, a directory, file or URL. */
  readonly source: string;
  /** The hook, where it is not the SAE's own. */
  readonly hook?: string;
  /** The hook that a transcoder reads. */
  readonly hookIn?: string;
  /** Activation norm scaling factor. */
  readonly normScalingFactor?: number;
  /** Files that say what its features stand for. */
  readonly explanations?: readonly string[];
}

/** In an SAE's name: one for every layer. */
export const EVERY_LAYER = "{layer}";

/** The SAEs that a request means in a model of so many layers: one that names every layer is one for each. */
export function everyLayer(request: SaeRequest, nLayers: number): SaeRequest[] {
  if (!request.source.includes(EVERY_LAYER)) return [request];
  const layers = Array.from({ length: nLayers }, (_, layer) => String(layer));
  return layers.map((layer) => ({ ...request, source: request.source.replaceAll(EVERY_LAYER, layer) }));
}

/** A hook's name; what follows an @ in a path or a URL has another look … */
const HOOK = /^[A-Za-z_][\w.]*$/;
/** … except in an address without a path, where an @ ends the credentials. */
const BARE_ADDRESS = /^[a-z][a-z0-9+.-]+:\/\/[^/]*$/i;

/** The fields that belong to the SAE before them. */
const DETAILS = ["hookIn", "normScalingFactor", "explanations"] as const;

type Detail = typeof DETAILS[number];

/**
 * The SAEs of fields in the order in which they were given.
 *
 * @param order a detail belongs to the SAE before it
 * @param fallback the SAEs where none is named
 * @throws {RequestError} if a detail follows no SAE, or a hook is empty
 */
export function readSaes(
  order: readonly (readonly [name: string, value: FieldValue])[],
  fallback: readonly SaeRequest[] = [],
): SaeRequest[] {
  const named = order.filter(([name]) => name === "sae").map(([, value]) => parseSae(String(value)));
  const saes = named.length > 0 ? named : [...fallback];
  let last = -1;
  for (const [name, value] of order) {
    if (name === "sae") last++;
    const detail = DETAILS.find((detail) => detail === name);
    if (detail === undefined) continue;
    const at = detail === "explanations" && saes.length === 1 ? 0 : last;
    if (saes[at] === undefined) {
      throw new RequestError(`\`${detail}\` has no \`sae\` before it: write it after the \`sae\` that it belongs to`);
    }
    saes[at] = { ...saes[at], ...readDetail(detail, value, saes[at]) };
  }
  return saes;
}

/**
 * The same for what needs one: where none is named, the SAE that goes with the model.
 *
 * @throws {RequestError} if there is none
 */
export function neededSaes(
  order: readonly (readonly [name: string, value: FieldValue])[],
  model: string,
): SaeRequest[] {
  const saes = readSaes(order, defaultSaes(model));
  if (saes.length === 0) throw noSae(model);
  return saes;
}

function readDetail(name: Detail, value: FieldValue, sae: SaeRequest): Partial<SaeRequest> {
  if (name === "explanations") {
    if (value === "") throw new RequestError("`explanations` is empty: give the name of a file");
    return { explanations: [...sae.explanations ?? [], String(value)] };
  }
  if (sae[name] !== undefined) {
    throw new RequestError(`\`${name}\` is given twice for \`sae\` ${quote(shownName(sae.source))}: give it once`);
  }
  if (name === "normScalingFactor") return { normScalingFactor: Number(value) };
  if (!HOOK.test(String(value))) throw new RequestError(`\`hookIn\` is ${quote(String(value))}: give a hook's name`);
  return { hookIn: String(value) };
}

/**
 * An SAE by its name, with another hook after an @.
 *
 * @throws {RequestError} if the name or the hook is empty
 */
export function parseSae(text: string): SaeRequest {
  const at = text.lastIndexOf("@");
  const [source, hook] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
  if (source === "") {
    throw new RequestError(`\`sae\` ${quote(shownName(text))} names no SAE: give a bundled name, directory or URL`);
  }
  if (hook === "") {
    throw new RequestError(
      `\`sae\` ${quote(shownName(text))} names no hook after the @: write one, or leave the @ out`,
    );
  }
  return hook === undefined || !HOOK.test(hook) || BARE_ADDRESS.test(source) ? { source: text } : { source, hook };
}

/**
 * What to do where no SAE is named and the model brings none; of a path, first whether there is such a model.
 *
 * @param what what is missing, and what else may be given
 */
export function noSae(model: string, what: string = "no SAE", instead: string = ""): RequestError {
  if (looksLikePath(model) && !isThere(model)) {
    return new RequestError(`\`model\` is ${quote(model)}: there is no such directory`);
  }
  const where = looksLikePlace(model) ? "" : `; saes ${model} lists public ones`;
  return new RequestError(
    `${what} for ${shownName(model)}: give \`sae\` with the name, directory or URL of one${instead}${where}`,
  );
}

function isThere(path: string): boolean {
  try {
    fileSystem.statSync(path);
    return true;
  } catch (error) {
    return !isAbsence(error);
  }
}

/** The SAE that goes with a bundled model, where none is named. */
export function defaultSaes(model: string): SaeRequest[] {
  const bundled = findBundledModel(model);
  return bundled === undefined ? [] : [{ source: bundled.default_sae }];
}

/** A bundled model's SAEs at one kind of hook. */
export function bundledSaes(model: string, kind: "hook_resid_pre" | "hook_mlp_out"): SaeRequest[] {
  const saes = Object.entries(findBundledModel(model)?.saes ?? {});
  return saes.filter(([, { hook }]) => hook.endsWith(`.${kind}`)).map(([source]) => ({ source }));
}
