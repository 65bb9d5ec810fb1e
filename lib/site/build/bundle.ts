/**
 * Modules of this program for browsers and for Node: bundled, split where something is imported later, names by content.
 *
 * @module
 */
import { build, type Plugin } from "../../deps/esbuild.ts";
import { hashText } from "../../platform/hash.ts";
import { fromFileUrl } from "../../weights/files/places.ts";
import { rewriteAddresses } from "./addresses.ts";
import { bareName, linkPackages } from "./packages.ts";

/** What is bundled, and for what. */
export interface BundleOptions {
  /** The modules that pages, Workers and programs begin with, from the repository's root. They share what they import. */
  readonly entries: readonly string[];
  /** Where the modules go. What they read lies one level above, where it does in the repository. */
  readonly directory: string;
  readonly platform: "browser" | "node";
  /** Other contents of sources, by their paths. */
  readonly instead?: Readonly<Record<string, string>>;
  /** Values of names that the sources only declare. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** What was written. */
export interface Bundle {
  /** File names by entry, those of Workers that were found on the way too. */
  readonly files: ReadonlyMap<string, string>;
  /** The sources of all, from the repository's root. */
  readonly sources: readonly string[];
}

const ROOT = new URL("../../../", import.meta.url);

/** Browsers that have what the kernels need, and Node's oldest version that is looked after. */
const TARGETS = { browser: ["chrome119", "firefox121", "safari17.4"], node: ["node20.16"] };

/** Entries of packages that are others in a page: Node's build of this one needs its `Buffer`. */
const IN_A_PAGE: Readonly<Record<string, string>> = { "csv-stringify/sync": "csv-stringify/browser/esm/sync" };

/** Packages that stay out, for their size or because they are a system's own. */
const LEFT_OUT = /^npm:onnxruntime-(?:web|node)@/;

/** What the oldest targets lack. Who disposes and who is disposed of only have to agree on the symbols. */
const MISSING = `for(const name of ["dispose","asyncDispose"])` +
  `Symbol[name]??Object.defineProperty(Symbol,name,{value:Symbol.for("Symbol."+name)});` +
  "Map.groupBy??=(items,keyOf)=>{const groups=new Map();let i=0;for(const item of items){const key=keyOf(item,i++);" +
  "groups.has(key)?groups.get(key).push(item):groups.set(key,[item])}return groups};" +
  "Promise.withResolvers??=function(){let resolve,reject;const promise=new this((a,b)=>{resolve=a;reject=b});" +
  "return{promise,resolve,reject}};";

/**
 * Bundles modules with all that they may import. A Worker's module that is not among them is a file on its own, which
 * starts soonest. An entry is named by the content of all sources, for others say its name; what entries share, by its own.
 *
 * @throws {Error} if a source does not resolve
 */
export async function bundle({ entries, ...options }: BundleOptions): Promise<Bundle> {
  const packages = await Deno.makeTempDir();
  try {
    const sources = new Map<string, string>();
    const alone = new Set<string>();
    const fileOf = (entry: string, version: string): string => `${nameOf(entry)}-${version}.js`;
    const pass = async (entryPoints: readonly string[], version: string, write: boolean): Promise<void> => {
      const worker = (entry: string): string => {
        if (!entries.includes(entry)) alone.add(entry);
        return fileOf(entry, version);
      };
      await build({
        absWorkingDir: place("").replace(/[\\/]$/, ""),
        entryPoints: [...entryPoints],
        outdir: options.directory,
        write,
        entryNames: `[name]-${version}`,
        chunkNames: "[name]-[hash]",
        bundle: true,
        splitting: entryPoints === entries,
        minify: true,
        format: "esm",
        platform: options.platform,
        target: TARGETS[options.platform],
        nodePaths: [packages],
        external: ["node:*"], // which a page does not come to
        define: { Deno: "undefined", ...defined(options.values ?? {}) },
        banner: { js: MISSING },
        legalComments: "none",
        logLevel: "error",
        plugins: [
          readSources(sources, worker, options.instead ?? {}),
          npm(packages, options.platform === "browser" ? IN_A_PAGE : {}),
        ],
      });
    };
    // The first time only to know the sources.
    await pass(entries, "0", false);
    for (const entry of alone) await pass([entry], "0", false); // which may find more
    const version = await digest([...sources].sort().flat().join("\n"));
    await pass(entries, version, true);
    for (const entry of alone) await pass([entry], version, true);
    const files = [...entries, ...alone].map((entry): [string, string] => [entry, fileOf(entry, version)]);
    return { files: new Map(files), sources: [...sources.keys()].sort() };
  } finally {
    await Deno.remove(packages, { recursive: true });
  }
}

const place = (path: string): string => fromFileUrl(new URL(path, ROOT));

function defined(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]));
}

function nameOf(entry: string): string {
  return entry.slice(entry.lastIndexOf("/") + 1).replace(/\.ts$/, "");
}

/** The beginning of a text's SHA-256, as file names have it. */
export async function digest(text: string): Promise<string> {
  return (await hashText(text)).slice(0, 8).toUpperCase();
}

/** Reads every source, its addresses rewritten. */
function readSources(
  sources: Map<string, string>,
  worker: (module: string) => string,
  instead: Readonly<Record<string, string>>,
): Plugin {
  return {
    name: "sources",
    setup({ onLoad }) {
      onLoad({ filter: /\.(?:ts|json)$/ }, async ({ path }) => {
        if (!path.startsWith(place(""))) return undefined;
        const module = path.slice(place("").length).replaceAll("\\", "/");
        const text = instead[module] ?? await Deno.readTextFile(path);
        sources.set(module, text);
        if (module.endsWith(".json")) return { contents: text, loader: "json" };
        return { contents: rewriteAddresses(text, { module, worker }), loader: "ts" };
      });
    },
  };
}

/** Finds packages by the names that the sources give them, or what stands instead of an entry. */
function npm(directory: string, instead: Readonly<Record<string, string>>): Plugin {
  return {
    name: "npm",
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^npm:/ }, async ({ path, importer, kind }) => {
        if (LEFT_OUT.test(path)) return { path: bareName(path), namespace: "left out" };
        await linkPackages([new URL(`file://${importer}`)], directory);
        const name = bareName(path);
        return await resolve(instead[name] ?? name, { kind, resolveDir: directory });
      });
      onLoad({ filter: /.*/, namespace: "left out" }, ({ path }) => ({
        contents: `throw new Error(${JSON.stringify(`${path} is not part of this page: choose the device wasm`)});` +
          "export const env = {}, InferenceSession = undefined, Tensor = undefined;",
      }));
    },
  };
}
