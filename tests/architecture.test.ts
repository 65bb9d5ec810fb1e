/** The house as .github/ARCHITECTURE.md draws it: rooms and arrows, no circles, nothing too large. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path/posix";

const ROOT = new URL("../", import.meta.url);
const MOST_FILES = 20;
const MOST_LINES = 400;

const read = (path: string): string => Deno.readTextFileSync(new URL(path, ROOT));

function filesBelow(directory: string): string[] {
  return [...Deno.readDirSync(new URL(directory, ROOT))].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${directory}/${name}`) : [`${directory}/${name}`]
  );
}

const FILES = ["cli.ts", "mod.ts", ...filesBelow("lib"), ...filesBelow("models")];
const SOURCES = new Set(FILES.filter((file) => file.endsWith(".ts")));

/** A file without its comments, whose examples import too; a comment begins a line of its own or follows code. */
function codeOf(file: string): string {
  return read(file).split("\n").filter((line) => !/^\s*(\/?\*|\/\/)/.test(line)).join("\n");
}

/** What a file imports, types included, by names in its text; `later` by an address that is computed when it runs. */
function importsOf(file: string): { readonly direct: string[]; readonly later: string[] } {
  const code = codeOf(file);
  const targets = (pattern: RegExp): string[] =>
    [...code.matchAll(pattern)].map(([, path]) => join(dirname(file), path)).filter((path) => path.endsWith(".ts"));
  const direct = targets(/\b(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g);
  const later = targets(/\bnew URL\(\s*["'](\.{1,2}\/[^"']+)["']\s*,\s*import\.meta\.url/g);
  for (const path of [...direct, ...later]) assert.ok(SOURCES.has(path), `${file} imports ${path}, which is not there`);
  return { direct, later };
}

const IMPORTS = new Map([...SOURCES].map((file) => [file, importsOf(file)]));

/** The room that a file is in: a folder of lib, `models`, or a file of its own; `lib` for lib's single files. */
function roomOf(file: string): string {
  const [first, second, third] = file.split("/");
  return first === "lib" && third !== undefined ? second : first;
}

/** Rooms and what they may import, by the rows `| room | imports | what is in it |`. */
function readArrows(): Map<string, readonly string[]> {
  const names = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  const rows = [...read(".github/ARCHITECTURE.md").matchAll(/^\| (`[^|]+`) +\| ([^|]*) \|[^|]*\|$/gm)];
  return new Map(rows.map(([, room, imports]) => [names(room)[0], names(imports)]));
}

/** One circle of a graph, if there is any. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...path, node]);
      if (circle !== undefined) return circle;
    }
    done.add(node);
  };
  for (const node of graph.keys()) {
    const circle = visit(node, []);
    if (circle !== undefined) return circle;
  }
}

Deno.test("the search for circles finds one", () => {
  const graph = { a: ["b", "c"], b: ["d"], c: ["d"], d: [] as string[] };
  assert.equal(findCircle(new Map(Object.entries(graph))), undefined);
  assert.deepEqual(findCircle(new Map(Object.entries({ ...graph, d: ["c"] }))), ["d", "c", "d"]);
});

Deno.test("no circle of imports, types included", () => {
  assert.ok(SOURCES.size > 100);
  assert.equal(findCircle(new Map([...IMPORTS].map(([file, { direct }]) => [file, direct]))), undefined);
});

Deno.test("rooms import only what the table says, and the table has no circle", () => {
  const arrows = readArrows();
  for (const [file, { direct, later }] of IMPORTS) {
    const room = roomOf(file);
    assert.ok(arrows.has(room), `${file} is in no room of the table`);
    const allowed = [room, "lib", ...arrows.get(room)!]; // lib's single files are for everybody
    for (const path of [...direct, ...later]) {
      assert.ok(allowed.includes(roomOf(path)), `${file} imports ${path}, and the table has no such arrow`);
    }
  }
  assert.equal(findCircle(arrows), undefined);
});

Deno.test("folders and files stay small enough to be looked through", () => {
  const folders = Map.groupBy(FILES.filter((file) => file.includes("/")), dirname);
  for (const [folder, { length }] of folders) assert.ok(length <= MOST_FILES, `${folder} has ${length} files`);
  for (const file of SOURCES) {
    const { length } = read(file).trimEnd().split("\n");
    assert.ok(length <= MOST_LINES, `${file} has ${length} lines`);
  }
});

Deno.test("only the platform and the front ends use what Deno alone has", () => {
  const allowed = ["cli.ts", "cli", "web", "site", "batch", "deploy", "platform"];
  for (const file of SOURCES) {
    if (!allowed.includes(roomOf(file))) {
      assert.doesNotMatch(codeOf(file), /(?<!["'`])\bDeno\b(?!\.customInspect)/, file);
    }
  }
});

Deno.test("every folder is on the map", () => {
  const text = read(".github/ARCHITECTURE.md");
  const folders = new Set([...SOURCES].map(dirname).filter((folder) => folder.startsWith("lib/")));
  for (const folder of folders) assert.ok(text.includes(`\`${folder.slice("lib/".length)}\``), `${folder} is missing`);
});
