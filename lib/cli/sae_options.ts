/**
 * `--sae S[@HOOK]` and the `--norm-scaling-factor` after it.
 *
 * @module
 */
import { findBundledModel } from "../bundled.ts";
import type { OptionValue } from "./args_spec.ts";
import type { OptionSpec } from "./args_spec.ts";
import { quote, UsageError } from "./args_values.ts";

/** An SAE as asked for. */
export interface SaeRequest {
  readonly source: string;
  readonly hook?: string;
  readonly normScalingFactor?: number;
}

/** The option. */
export const SAE_OPTION = {
  kind: "string",
  multiple: true,
  placeholder: "S[@HOOK]",
  help: "a bundled SAE (default: the bundled model's), or a directory or URL with cfg.json; @HOOK overrides its hook",
} satisfies OptionSpec;

/** A hook's name; what follows an @ in a path or a URL has another look. */
const HOOK = /^[A-Za-z_][\w.]*$/;

/**
 * The SAEs of a command line.
 *
 * @param order the options as given: a factor belongs to the SAE before it
 * @throws {UsageError} if a factor follows no SAE, or a hook is empty
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
export function readSaes(order: readonly (readonly [name: string, value: OptionValue])[]): SaeRequest[] {
  const saes: SaeRequest[] = [];
  for (const [name, value] of order) {
    if (name === "sae") saes.push(readSae(String(value)));
    if (name !== "norm-scaling-factor") continue;
    const last = saes.at(-1);
    if (last === undefined) {
      throw new UsageError("--norm-scaling-factor has no --sae before it: write it after the --sae that it belongs to");
    }
    if (last.normScalingFactor !== undefined) {
      throw new UsageError(`--norm-scaling-factor is given twice for --sae ${quote(last.source)}: give it once`);
    }
    if (!(Number(value) > 0)) throw new UsageError(`--norm-scaling-factor is ${value}: give a number above 0`);
    saes[saes.length - 1] = { ...last, normScalingFactor: Number(value) };
  }
  return saes;
}

function readSae(text: string): SaeRequest {
  const at = text.lastIndexOf("@");
  const [source, hook] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
  if (source === "") throw new UsageError(`--sae ${quote(text)} names no SAE: give a bundled name, directory or URL`);
  if (hook === "") {
    throw new UsageError(`--sae ${quote(text)} names no hook after the @: write one, or leave the @ out`);
  }
  return hook === undefined || !HOOK.test(hook) ? { source: text } : { source, hook };
}

/** The SAE that goes with a bundled model, where none is named. */
export function defaultSaes(model: string): SaeRequest[] {
  const bundled = findBundledModel(model);
  return bundled === undefined ? [] : [{ source: bundled.default_sae }];
}
