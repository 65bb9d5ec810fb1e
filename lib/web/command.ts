/**
 * The command line that gives the same rows as a request.
 *
 * @module
 */
import { DEFAULT_MODEL, findBundledModel } from "../bundled.ts";
import { commandLine } from "../request/command.ts";
import type { AttributeJob } from "./jobs.ts";

/**
 * `deno run -A cli.ts attribute …` for a POSIX shell.
 *
 * @param spell a token's text where that text alone is this token; then it is written instead of the id
 */
export function attributeCommand(
  job: AttributeJob,
  spell: (id: number) => string | undefined = () => undefined,
): string {
  const { model, saes, prompt, prependBos, truncate, processing, includeErrorTerm, excludeSpecialTokens } = job;
  const isDefault = saes.length === 1 && saes[0].hook === undefined &&
    saes[0].source === findBundledModel(model)?.default_sae;
  const first = typeof prompt !== "string" ? ["--token-ids", prompt.join()] : prompt.startsWith("-") ? [] : [prompt];
  const words = [
    ...first,
    ...(model === DEFAULT_MODEL ? [] : ["--model", model]),
    ...(isDefault ? [] : saes.flatMap(({ source, hook }) => ["--sae", hook ? `${source}@${hook}` : source])),
    ...metricWords(job.metric, spell),
    ...flagWords("prepend-bos", prependBos),
    ...(truncate ? ["--truncate"] : []),
    ...(processing === "sae" ? [] : ["--processing", processing]),
    ...(includeErrorTerm ? [] : ["--no-error-term"]),
    ...flagWords("exclude-special-tokens", excludeSpecialTokens),
    // What looks like an option stands after all of them.
    ...(first.length === 0 ? ["--", prompt as string] : []),
  ];
  return commandLine(["attribute", ...words]);
}

function metricWords(
  { kind, positive, negative, positions: [position], text }: AttributeJob["metric"],
  spell: Spell,
): string[] {
  const sides = ([["pos", positive], ["neg", negative]] as const).flatMap(([side, tokens]) =>
    tokens.flatMap((token) => {
      const spelled = typeof token === "string" ? token : spell(token);
      return spelled === undefined ? [`--${side}-id`, String(token)] : [`--${side}-token`, spelled];
    })
  );
  const isImplied = kind === "top-two" || kind === "target-text" || kind === "logit-diff" ||
    (kind === "logit" && positive.length === 1);
  return [
    ...sides,
    ...(isImplied ? [] : ["--metric", kind]),
    ...(kind === "target-text" ? ["--target-text", text!] : []),
    ...(position === -1 ? [] : ["--metric-position", String(position)]),
  ];
}

type Spell = (id: number) => string | undefined;

function flagWords(name: string, value: boolean | undefined): string[] {
  return value === undefined ? [] : [value ? `--${name}` : `--no-${name}`];
}
