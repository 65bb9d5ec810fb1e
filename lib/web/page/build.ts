/**
 * Writes the browser's parts as single, minified texts: `deno task page` after a change of lib/report/client or of
 * lib/web/page. So nobody who runs `serve` or `report` needs a bundler, and nothing is compiled when they start.
 *
 * @module
 */
import { fromFileUrl } from "../../weights/files/places.ts";

type Esbuild = typeof import("../../deps/esbuild.ts");

/** A generated file beside its sources, and the parts that are in it. */
const BUILT = [
  {
    file: "../../report/client/built.ts",
    script: "../../report/client/report.ts",
    style: "../../report/client/style.css",
  },
  { file: "./built.ts", script: "./main.ts", style: "./page.css" },
] as const;

const place = (path: string): string => fromFileUrl(new URL(path, import.meta.url));

/** The generated files as they should be, one after another: the page has the report in it, as its file says. */
export async function* buildPages(): AsyncGenerator<readonly [file: string, text: string]> {
  const { stop } = await esbuild();
  try {
    for (const { file, script, style } of BUILT) {
      yield [
        place(file),
        [
          "/** Made by `deno task page`: the script and the style sheet of this folder as single texts. */",
          `export const SCRIPT: string = ${listed(await bundle(new URL(script, import.meta.url)))};`,
          `export const STYLE: string = ${listed(await bundle(new URL(style, import.meta.url)))};`,
          "",
        ].join("\n"),
      ];
    }
  } finally {
    await stop();
  }
}

/** A text as an expression, line by line. */
function listed(text: string): string {
  return `[\n${text.split("\n").map((line) => JSON.stringify(line)).join(",\n")},\n].join("\\n")`;
}

/** One file and what it imports as one minified text. */
export async function bundle(entry: URL, format: "esm" | "iife" = "esm"): Promise<string> {
  const { build } = await esbuild();
  const { outputFiles } = await build({
    entryPoints: [fromFileUrl(entry)],
    bundle: true,
    minify: true,
    write: false,
    charset: "utf8",
    format,
    target: "es2022",
    lineLimit: 500, // so that a search or a comparison shows less than everything
    logLevel: "error",
  });
  return outputFiles[0].text.trimEnd();
}

async function esbuild(): Promise<Esbuild> {
  return await import(new URL("../../deps/esbuild.ts", import.meta.url).href);
}

if (import.meta.main) {
  for await (const [file, text] of buildPages()) await Deno.writeTextFile(file, text);
}
