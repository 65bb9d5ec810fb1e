/** What the bench found, as tables for people and as markdown. */
import type { Bound, Limits } from "./limits.ts";
import type { Machine } from "./machine.ts";
import type { Reference } from "./reference.ts";
import type { Result } from "./rounds.ts";

/** Prompts that were measured together, and what was found. */
export interface SetReport {
  readonly set: string;
  readonly prompts: number;
  readonly reference?: Reference;
  readonly bound?: Bound;
  readonly results: readonly Result[];
}

const TITLES = { process: "one process", warm: "warm" } as const;
const KINDS = ["process", "warm"] as const;

/** The machine and its limits, in lines. */
export function showMachine({ cpu, cores, memoryBytes, os, load, versions }: Machine, limits?: Limits): string {
  const packages = Object.entries(versions).filter(([, version]) => version).map((entry) => entry.join(" "));
  const rates = (of: Readonly<Record<string, number>>, unit: string): string =>
    Object.entries(of).map(([name, rate]) => `${name} ${(rate / 1e9).toFixed(1)}`).join(", ") + ` ${unit}`;
  return [
    `${cpu ?? "unknown processor"}, ${cores} cores, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB; ${os}; load ${
      load.toFixed(1)
    }`,
    packages.join(", "),
    ...(limits
      ? [
        `memory, best: ${rates(limits.bytesPerSecond, "GB/s")}`,
        `float32 products, best: ${rates(limits.operationsPerSecond, "GFLOP/s")}`,
      ]
      : []),
  ].join("\n");
}

/** One set as a table. */
export function showSet({ set, prompts, reference, bound, results }: SetReport): string {
  const agreement = Object.entries(reference?.agreement ?? {})
    .map(([device, words]) => `rows of ${reference!.of}, ${device}: ${words}`);
  return [
    set,
    ...agreement,
    ...(bound ? [showBound(bound)] : []),
    ...KINDS.flatMap((kind) => {
      const those = results.filter((result) => result.kind === kind);
      return those.length === 0 ? [] : [`  ${TITLES[kind]}`, ...those.map((result) => showResult(result, prompts))];
    }),
  ].join("\n");
}

function showBound({ bytes, operations, readingSeconds, arithmeticSeconds, seconds }: Bound): string {
  return `at least ${showSeconds(seconds)}: ${(bytes / 1e6).toFixed(0)} MB read in ${showSeconds(readingSeconds)}, ` +
    `${(operations / 1e9).toFixed(1)} GFLOP in ${showSeconds(arithmeticSeconds)}`;
}

function showResult(result: Result, prompts: number): string {
  const { contestant, medianSeconds, seconds, medianPeakMemory, ratio, timesBound, failed } = result;
  const start = `    ${contestant.padEnd(32)}`;
  if (failed !== undefined) return `${start} cannot: ${failed}`;
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)];
  return [
    start,
    showSeconds(medianSeconds).padStart(10),
    `(${seconds.length}: ${showSeconds(least)}–${showSeconds(most)})`.padEnd(26),
    `${medianPeakMemory.toFixed(0).padStart(6)} MiB`,
    `${ratio.toFixed(2).padStart(7)} times the first`,
    ...(timesBound === undefined ? [] : [`${timesBound.toFixed(1).padStart(7)} times the bound`]),
    ...(prompts === 1 ? [] : [`${(prompts / medianSeconds).toFixed(2).padStart(7)} prompts/s`]),
  ].join(" ");
}

function showSeconds(seconds: number): string {
  return seconds < 0.1 ? `${(1000 * seconds).toFixed(1)} ms` : `${seconds.toFixed(seconds < 1 ? 3 : 2)} s`;
}

/** Tables to paste: a row per program, a column per set; times as long as the first program in brackets. */
export function toMarkdown(sets: readonly SetReport[]): string {
  return KINDS.flatMap((kind) => {
    const here = sets.filter(({ results }) => results.some((result) => result.kind === kind));
    if (here.length === 0) return [];
    const names = [...new Set(here.flatMap(({ results }) => ofKind(results, kind).map((r) => r.contestant)))];
    const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
    const heads = here.map(({ set, bound }) => bound ? `${set} (≥ ${showSeconds(bound.seconds)})` : set);
    const rows = names.map((name) => {
      const found = here.map(({ results }) => ofKind(results, kind).find((r) => r.contestant === name));
      return row([name, ...found.map((result, i) => cell(result, here[i].prompts)), memoryOf(found)]);
    });
    return [
      ...(kind === KINDS[0] ? [] : [""]),
      row([TITLES[kind], ...heads, "peak memory"]),
      row([...heads, "", ""].map(() => "---")),
      ...rows,
    ];
  }).join("\n");
}

const ofKind = (results: readonly Result[], kind: Result["kind"]): Result[] =>
  results.filter((result) => result.kind === kind);

function cell(result: Result | undefined, prompts: number): string {
  if (!result || result.failed !== undefined) return "–";
  const { medianSeconds, ratio } = result;
  const figure = prompts === 1 ? showSeconds(medianSeconds) : `${(prompts / medianSeconds).toFixed(2)} prompts/s`;
  return ratio === 1 ? figure : `${figure} (${ratio.toFixed(1)} ×)`;
}

function memoryOf(results: readonly (Result | undefined)[]): string {
  const peaks = results.flatMap((result) => result && result.failed === undefined ? [result.medianPeakMemory] : []);
  if (peaks.length === 0) return "–";
  const [least, most] = [Math.min(...peaks), Math.max(...peaks)].map((peak) => Math.round(peak).toLocaleString("en"));
  return least === most ? `${least} MiB` : `${least}–${most} MiB`;
}
