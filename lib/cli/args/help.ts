/**
 * A command's help page.
 *
 * @module
 */
import { type Field, flagOf } from "../../request/field.ts";
import type { CommandSpec } from "./args.ts";
import { inWords, sayFlag } from "../../request/request_error.ts";

/** Where descriptions begin; a longer entry puts its description on the next line. */
const LABEL_WIDTH = 30;

/** Options that belong together, with what they are about. */
export type OptionGroups = readonly (readonly [title: string, options: Readonly<Record<string, Field>>])[];

/**
 * The help of a command, wrapped to `width` columns.
 *
 * @param groups options that stand under a title of their own, after the command's own ones
 */
export function helpText(spec: CommandSpec, width: number = 80, groups: OptionGroups = []): string {
  const titleOf = (name: string): string | undefined => groups.find(([, options]) => Object.hasOwn(options, name))?.[0];
  const titled = (title: string | undefined): string[] =>
    Object.entries(spec.options).filter(([name]) => titleOf(name) === title).map(([name, option]) =>
      entry(optionLabel(flagOf(name, option), option), inWords(describe(option), spec.options, sayFlag), width)
    );
  const titles = [...new Set(spec.positionals.map(titleOfArgument))];
  const sections = [
    spec.summary,
    section("Usage", [`  ${spec.name} ${spec.usage.replaceAll("\n", "\n    ")}`]),
    ...titles.map((title) =>
      section(
        title,
        spec.positionals.filter((it) => titleOfArgument(it) === title)
          .map(({ name, help }) => entry(name, help, width)),
      )
    ),
    section("Options", [...titled(undefined), entry("-h, --help", "show this", width)]),
    ...groups.map(([title]) => section(title, titled(title))),
    section("Examples", spec.examples.map((example) => `  ${example}`)),
  ];
  return sections.filter((text) => text !== "").join("\n\n") + "\n";
}

function titleOfArgument({ title = "Arguments" }: CommandSpec["positionals"][number]): string {
  return title;
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${title}:\n${lines.join("\n")}`;
}

function optionLabel(flag: string, option: Field): string {
  const label = option.negatable === true ? `--[no-]${flag}` : `--${flag}`;
  return option.kind === "boolean" ? label : `${label} ${option.placeholder ?? "VALUE"}`;
}

function describe(option: Field): string {
  const notes = [
    option.choices === undefined ? "" : `one of ${option.choices.join(", ")}`,
    option.default === undefined || option.negates === true ? "" : `default: ${option.default}`,
    option.multiple === true ? "repeatable" : "",
  ].filter((note) => note !== "");
  return notes.length === 0 ? option.help : `${option.help} (${notes.join("; ")})`;
}

function entry(label: string, description: string, width: number): string {
  const start = `  ${label}`.padEnd(LABEL_WIDTH);
  const lines = wrap(description, Math.max(20, width - LABEL_WIDTH));
  const indent = " ".repeat(LABEL_WIDTH);
  const first = start.length > LABEL_WIDTH || start.endsWith(label)
    ? [start.trimEnd(), indent + lines[0]]
    : [start + lines[0]];
  return [...first, ...lines.slice(1).map((text) => indent + text)].join("\n");
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
