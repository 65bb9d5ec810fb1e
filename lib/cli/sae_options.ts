/**
 * `--sae S[@HOOK]` and the options after it that belong to it.
 *
 * @module
 */
import { findBundledModel } from "../bundled.ts";
import { looksLikePath, looksLikePlace } from "../weights/files/place.ts";
import type { OptionSpec, OptionValue } from "./args_spec.ts";
import { shownName } from "../weights/files/shown_name.ts";
import { quote, UsageError } from "./args_values.ts";

/** An SAE as asked for. */
export interface SaeRequest {
  readonly source: string;
  readonly hook?: string;
  /** The hook that a transcoder reads. */
  readonly hookIn?: string;
  readonly normScalingFactor?: number;
  /** Files that say what its features stand for. */
  readonly explanations?: readonly string[];
}

/** In an SAE's name: one for every layer. */
export const EVERY_LAYER = "{layer}";

/** The option. */
export const SAE_OPTION = {
  kind: "string",
  multiple: true,
  placeholder: "S[@HOOK]",
  help: "a bundled SAE (default: the bundled model's), or the directory, file or URL of one; @HOOK overrides its hook",
} satisfies OptionSpec;

/** The options that follow it. */
export const SAE_DETAILS = {
  "hook-in": {
    kind: "string",
    multiple: true,
    placeholder: "HOOK",
    help: "the hook that the --sae before it reads, for a transcoder (@HOOK is where it writes)",
  },
  "norm-scaling-factor": {
    kind: "number",
    multiple: true,
    placeholder: "X",
    above: 0,
    help: "activation norm scaling factor of the --sae before it",
  },
  explanations: {
    kind: "string",
    reads: true,
    multiple: true,
    placeholder: "FILE",
    help: "what the features of the --sae before it (or of the only SAE) stand for: JSON, JSON lines or CSV with a " +
      "feature or index and a label, description or explanation, as Neuronpedia exports them",
  },
} satisfies Record<string, OptionSpec>;

/** A hook's name; what follows an @ in a path or a URL has another look … */
const HOOK = /^[A-Za-z_][\w.]*$/;
/** … except in an address without a path, where an @ ends the credentials. */
const BARE_ADDRESS = /^[a-z][a-z0-9+.-]+:\/\/[^/]*$/i;

type Order = readonly (readonly [name: string, value: OptionValue])[];

/**
 * The SAEs of a command line.
 *
 * @param order the options as given: a detail belongs to the SAE before it
 * @param fallback the SAEs where none is named
 * @throws {UsageError} if a detail follows no SAE, or a hook is empty
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readSaes } from "./sae_options.ts";
 *
 * const order = [["sae", "runs/a@blocks.3.hook_resid_pre"], ["norm-scaling-factor", 2]] as const;
 * assert.deepEqual(readSaes(order), [{ source: "runs/a", hook: "blocks.3.hook_resid_pre", normScalingFactor: 2 }]);
 * ```
 */
export function readSaes(order: Order, fallback: readonly SaeRequest[] = []): SaeRequest[] {
  const named = order.filter(([name]) => name === "sae").map(([, value]) => readSae(String(value)));
  const saes = named.length > 0 ? named : [...fallback];
  let last = -1;
  for (const [name, value] of order) {
    if (name === "sae") last++;
    if (!Object.hasOwn(SAE_DETAILS, name)) continue;
    const only = name === "explanations" && saes.length === 1 ? 0 : undefined;
    const sae = saes[only ?? last];
    if (sae === undefined) {
      throw new UsageError(`--${name} has no --sae before it: write it after the --sae that it belongs to`);
    }
    saes[only ?? last] = { ...sae, ...readDetail(name as keyof typeof SAE_DETAILS, value, sae) };
  }
  return saes;
}

function readDetail(name: keyof typeof SAE_DETAILS, value: OptionValue, sae: SaeRequest): Partial<SaeRequest> {
  const once = (given: unknown): void => {
    if (given !== undefined) {
      throw new UsageError(`--${name} is given twice for --sae ${quote(shownName(sae.source))}: give it once`);
    }
  };
  switch (name) {
    case "hook-in":
      once(sae.hookIn);
      if (!HOOK.test(String(value))) throw new UsageError(`--hook-in is ${quote(String(value))}: give a hook's name`);
      return { hookIn: String(value) };
    case "norm-scaling-factor":
      once(sae.normScalingFactor);
      return { normScalingFactor: Number(value) };
    case "explanations":
      if (value === "") throw new UsageError("--explanations is empty: give the name of a file");
      return { explanations: [...sae.explanations ?? [], String(value)] };
  }
}

function readSae(text: string): SaeRequest {
  const at = text.lastIndexOf("@");
  const [source, hook] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
  if (source === "") {
    throw new UsageError(`--sae ${quote(shownName(text))} names no SAE: give a bundled name, directory or URL`);
  }
  if (hook === "") {
    throw new UsageError(`--sae ${quote(shownName(text))} names no hook after the @: write one, or leave the @ out`);
  }
  return hook === undefined || !HOOK.test(hook) || BARE_ADDRESS.test(source) ? { source: text } : { source, hook };
}

/**
 * What to do where no SAE is named and the model brings none; of a path, first whether there is such a model.
 *
 * @param what what is missing, and what else may be given
 */
export function noSae(model: string, what: string = "no SAE", instead: string = ""): UsageError {
  if (looksLikePath(model) && !isThere(model)) {
    return new UsageError(`--model is ${quote(model)}: there is no such directory`);
  }
  const where = looksLikePlace(model) ? "" : `; saes ${model} lists public ones`;
  return new UsageError(
    `${what} for ${shownName(model)}: give --sae with the name, directory or URL of one${instead}${where}`,
  );
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory);
  }
}

/** The SAE that goes with a bundled model, where none is named. */
export function defaultSaes(model: string): SaeRequest[] {
  const bundled = findBundledModel(model);
  return bundled === undefined ? [] : [{ source: bundled.default_sae }];
}
