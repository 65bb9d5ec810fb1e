import assert from "node:assert/strict";
import { dirname, resolve } from "node:path";
import { commandModule, COMMANDS } from "../../cli.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import { cliCommand } from "../cli/run_cli.ts";

/** The papers: README.md, what lies in .github, and the READMEs of folders. */

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const GUIDE = `${ROOT}.github/guide/`;

/** Reads one paper, by its whole path. */
const read = (path: string): Promise<string> => Deno.readTextFile(path);

async function pathsOfPapers(): Promise<string[]> {
  const folders = [ROOT, `${ROOT}.github/`, GUIDE, `${ROOT}tests/data/cases/`, `${ROOT}models/bundled/make/`];
  const paths = [];
  for (const folder of folders) {
    for await (const { name } of Deno.readDir(folder)) if (name.endsWith(".md")) paths.push(folder + name);
  }
  return paths;
}

/** The blocks of code of a language. */
function blocksOf(paper: string, language: string): string[] {
  return [...paper.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter(([, name]) => name === language).map(([, , code]) =>
    code
  );
}

const withoutBlocks = (paper: string): string => paper.replaceAll(/^```[^]*?^```$/gm, "");

/** What a forge makes of headings: lower case, spaces as hyphens, punctuation left out. */
function anchorsOf(paper: string): Set<string> {
  const headings = withoutBlocks(paper).matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, text]) => text.toLowerCase().replaceAll(/[^\p{L}\p{N}\- ]/gu, "").replaceAll(" ", "-")),
  );
}

/** The command lines of a shell block as lists of words, as far as papers use the shell. */
function commandLines(block: string): string[][] {
  return block.replaceAll("\\\n", " ").split("\n").flatMap((line) => line.split(/ \| | && /)).map((line) => {
    const words = line.matchAll(/#.*$|((?:"[^"]*"|'[^']*'|[^\s"'#])+)/g);
    return [...words].flatMap(([, word]) =>
      word === undefined ? [] : [word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2")]
    );
  });
}

/** Everything in the papers that runs cli.ts: its words after that. */
async function commandsShown(): Promise<{ place: string; args: string[] }[]> {
  const shown = [];
  for (const path of await pathsOfPapers()) {
    for (const words of blocksOf(await read(path), "sh").flatMap(commandLines)) {
      const at = words.findIndex((word) => word.endsWith("cli.ts"));
      if (at >= 0) shown.push({ place: `${path}: ${words.join(" ")}`, args: words.slice(at + 1) });
    }
  }
  return shown;
}

Deno.test("papers: links lead to files and headings that are there", async () => {
  let links = 0;
  for (const path of await pathsOfPapers()) {
    const prose = withoutBlocks(await read(path));
    for (const [, link] of prose.matchAll(/(?:\]\(|(?:src|srcset)=")(?!https?:)([^)"\s]+)/g)) {
      const [file, anchor] = link.split("#");
      const target = file === "" ? path : resolve(dirname(path), file);
      await assert.doesNotReject(Deno.stat(target), `${path} links ${link}`);
      if (anchor !== undefined) assert.ok(anchorsOf(await read(target)).has(anchor), `${path} links ${link}`);
      links++;
    }
  }
  assert.ok(links > 50, `${links} links are found`);
});

Deno.test("papers: files and folders that CONTRIBUTING.md names are there", async () => {
  const named = (await read(`${ROOT}.github/CONTRIBUTING.md`)).matchAll(/`((?:lib|models|tests|\.ci)\/[^`\s]*)`/g);
  const paths = [...named].map(([, path]) => path).filter((path) => !path.includes("NAME"));
  for (const path of paths) await assert.doesNotReject(Deno.stat(ROOT + path), path);
  assert.ok(paths.length > 30, `${paths.length} paths are found`);
});

Deno.test("papers: README.md is at most 200 lines, begins with the two commands, and links every page", async () => {
  const readme = await read(`${ROOT}README.md`);
  assert.ok(readme.split("\n").length - 1 <= 200);
  assert.equal(
    blocksOf(readme, "sh")[0],
    'npx -y deno@2.9.6 run -A cli.ts attribute " Tiger Woods plays the sport of" --pos-token " golf" ' +
      '--neg-token " tennis"\nnpx -y deno@2.9.6 task test\n',
  );
  for await (const { name } of Deno.readDir(GUIDE)) {
    assert.ok(readme.includes(`(.github/guide/${name})`), `${name} is not linked`);
  }
});

Deno.test("papers: every command that is shown is understood, and every command is shown", async () => {
  const shown = await commandsShown();
  for (const { place, args: [name, ...args] } of shown) {
    assert.ok(Object.hasOwn(COMMANDS, name), place);
    const { parseRequest } = await import(commandModule(name));
    if (name !== "batch" || args[0] !== "status") assert.doesNotThrow(() => parseRequest(args, false), place);
  }
  assert.deepEqual(new Set(shown.map(({ args }) => args[0])), new Set(Object.keys(COMMANDS)));
});

/** Texts without what differs between machines: figures, bars, and the spaces around them. */
const withoutFigures = (text: string): string =>
  text.replaceAll(/[\d.]+(?:e-\d+)?/g, "0").replaceAll(/[ │\u2580-\u259f]+/g, " ");

Deno.test("papers: the next-token table is what the second command says on a terminal", async () => {
  const [shown] = blocksOf(await read(`${ROOT}README.md`), "text");
  const { args } = (await commandsShown()).find(({ args: [name] }) => name === "predict")!;
  const { stdout } = await cliCommand([...args, "--format", "table"]).output();
  assert.equal(withoutFigures(shown), withoutFigures(new TextDecoder().decode(stdout)));
});

Deno.test("papers: the summary and the rows are what the first command says", async () => {
  const readme = await read(`${ROOT}README.md`);
  const [first] = await commandsShown();
  const { stdout, stderr } = await cliCommand(first.args).output();
  const decoder = new TextDecoder();
  const [, begin] = blocksOf(readme, "text");
  const [end] = blocksOf(await read(`${GUIDE}read-the-summary.md`), "text");
  assert.equal(withoutFigures(`${begin}\n${end}`), withoutFigures(decoder.decode(stderr)));
  const [rows] = blocksOf(readme, "csv");
  const lines = decoder.decode(stdout).split("\n");
  const shown = rows.trimEnd().split("\n").slice(0, -1);
  assert.deepEqual(
    shown.map((line) => line.slice(0, 12)),
    lines.slice(0, shown.length).map((line) => line.slice(0, 12)),
  );
});
