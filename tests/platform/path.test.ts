/** Paths against those that node:path makes. */
import assert from "node:assert/strict";
import { posix, win32 } from "node:path";
import { dirname, join, joinPath, relative, resolve } from "../../lib/platform/path.ts";

const SYSTEMS = [
  { os: "linux", node: posix, roots: ["", "/"], starts: ["/start"], separators: ["/"] },
  {
    os: "windows",
    node: win32,
    roots: ["", "C:\\", "d:/", "\\", "\\\\host\\share\\"],
    starts: ["C:\\start", "\\\\host\\share\\start"],
    separators: ["/", "\\"],
  },
];
const NAMES = ["a", "b.c", "models--owner--name", "x y", "ü", ".hidden", "..", "."];

let state = 1;
/** A whole number below `count`, the same in every run. */
function random(count: number): number {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return (state >>> 8) % count;
}

const pick = <T>(list: readonly T[]): T => list[random(list.length)];
/** node:path leaves a separator at the end where there was one. */
const withoutEnd = (path: string): string => path.replace(/(?<=[^:/\\])[/\\]$/, "");

for (const { os, node, roots, starts, separators } of SYSTEMS) {
  const names = (): string => Array.from({ length: random(4) }, () => pick(NAMES)).join(pick(separators));

  Deno.test(`${os}: paths are joined, cut and made absolute as node:path does`, () => {
    for (let run = 0; run < 5000; run++) {
      const parts = [pick(roots) + names(), names(), names()];
      const wanted = withoutEnd(node.join(...parts));
      assert.equal(withoutEnd(joinPath(parts, os)), wanted, JSON.stringify(parts));
      assert.equal(dirname(wanted, os), node.dirname(wanted), wanted);
      const [start, path] = [pick(starts), names()];
      assert.equal(withoutEnd(resolve(path, os, start)), withoutEnd(node.resolve(start, path)), path);
      const [from, to] = [names(), names()].map((below) => node.resolve(start, "in", below.replaceAll("..", "up")));
      assert.equal(relative(from, to, os), node.relative(from, to), `${from} to ${to}`);
    }
  });
}

Deno.test("on this system", () => {
  assert.equal(join("a", "../b"), "b");
  assert.equal(resolve("a"), join(Deno.cwd(), "a"));
  assert.equal(dirname("a"), ".");
});
