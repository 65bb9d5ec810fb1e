/**
 * The browser's part as text: plain modules and a style sheet, which the local page serves and the report holds inside.
 *
 * @module
 */
import { openSource } from "../weights/files/source.ts";

/** The modules, each after those that it imports. */
export const CLIENT_MODULES = [
  "dom.js",
  "format.js",
  "figures.js",
  "pieces.js",
  "prompt_view.js",
  "predictions_view.js",
  "chart_view.js",
  "features_view.js",
  "rows_view.js",
  "card_view.js",
  "account_view.js",
  "result_view.js",
  "report.js",
] as const;

/** The files of the client directory. */
export type ClientFile = typeof CLIENT_MODULES[number] | "mod.js" | "style.css";

/** The text of one file. */
export async function clientFile(name: ClientFile): Promise<string> {
  await using files = openSource(new URL("./client/", import.meta.url));
  return await files.readText(name);
}

/** All modules as one script, their imports and exports taken off. */
export async function clientScript(): Promise<string> {
  const texts = await Promise.all(CLIENT_MODULES.map(clientFile));
  return texts.map(withoutModuleSyntax).join("\n");
}

/** A module's text without `import … from …;` and with `export` taken off its declarations. */
export function withoutModuleSyntax(text: string): string {
  return text.replace(/^import \{[^}]*\} from "[^"]*";\n/gm, "").replace(
    /^export (?=function|const|async function)/gm,
    "",
  );
}
