import assert from "node:assert/strict";
import { writeFileAtomic } from "../../lib/table/write_file.ts";

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const names = (directory: string): string[] => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

Deno.test("writeFileAtomic: writes text and bytes, and replaces", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/table.csv`;
    await writeFileAtomic(path, ["feature\n", new Uint8Array([49, 10]), "ü\n"]);
    assert.equal(await Deno.readTextFile(path), "feature\n1\nü\n");
    await writeFileAtomic(path, []);
    assert.equal(await Deno.readTextFile(path), "");
    assert.deepEqual(names(directory), ["table.csv"]);
  }));

Deno.test("writeFileAtomic: what makes the chunks fails, the old content stays", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/table.csv`;
    await writeFileAtomic(path, ["old"]);
    const mistake = new RangeError("row 3");
    function* chunks(): Generator<string> {
      yield "new".repeat(100_000);
      throw mistake;
    }
    await assert.rejects(writeFileAtomic(path, chunks()), mistake);
    assert.equal(await Deno.readTextFile(path), "old");
    assert.deepEqual(names(directory), ["table.csv"]);
    await assert.rejects(writeFileAtomic(`${directory}/other.csv`, chunks()), mistake);
    assert.deepEqual(names(directory), ["table.csv"]);
  }));

Deno.test("writeFileAtomic: errors name the file and what to do", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/file`, "");
    const { NotFound, IsADirectory, NotADirectory } = Deno.errors;
    const cases: [string, new (message: string) => Error, RegExp][] = [
      [
        `${directory}/none/x.csv`,
        NotFound,
        /^Cannot write .*x\.csv: the directory .*none does not exist, make it first$/,
      ],
      [directory, IsADirectory, /^Cannot write .*: it is a directory, give a file$/],
      ["", RangeError, /^Cannot write a file: its name is empty/],
    ];
    // Windows reports a file in the place of a directory as "not found".
    if (Deno.build.os !== "windows") {
      cases.push([`${directory}/file/x.csv`, NotADirectory, /^Cannot write .*: .*file is no directory/]);
    }
    for (const [path, kind, message] of cases) {
      await assert.rejects(writeFileAtomic(path, ["x"]), (error: unknown) => {
        assert.ok(error instanceof kind);
        assert.match(error.message, message);
        return true;
      });
    }
    assert.deepEqual(names(directory), ["file"]);
  }));

Deno.test({ name: "writeFileAtomic: a full disk", ignore: Deno.build.os !== "linux" }, async () => {
  await assert.rejects(writeFileAtomic("/dev/full", ["x"]), { message: /^Cannot write \/dev\/full: the disk is full/ });
});

Deno.test(
  { name: "writeFileAtomic: a device is written, not replaced", ignore: Deno.build.os === "windows" },
  async () => {
    await writeFileAtomic("/dev/null", ["x"]);
    assert.ok((await Deno.stat("/dev/null")).isCharDevice);
  },
);

Deno.test(
  { name: "writeFileAtomic: links and modes are kept", ignore: Deno.build.os === "windows" },
  () =>
    inDirectory(async (directory) => {
      await Deno.writeTextFile(`${directory}/real.csv`, "old");
      await Deno.chmod(`${directory}/real.csv`, 0o600);
      await Deno.symlink("real.csv", `${directory}/link.csv`);
      await writeFileAtomic(`${directory}/link.csv`, ["new"]);
      assert.equal(await Deno.readTextFile(`${directory}/real.csv`), "new");
      assert.ok((await Deno.lstat(`${directory}/link.csv`)).isSymlink);
      assert.equal((await Deno.stat(`${directory}/real.csv`)).mode! & 0o777, 0o600);
    }),
);

Deno.test("writeFileAtomic: denied by Deno's permissions", () =>
  inDirectory(async (directory) => {
    const module = new URL("../../lib/table/write_file.ts", import.meta.url).href;
    const code = `
      const { writeFileAtomic } = await import(${JSON.stringify(module)});
      await writeFileAtomic(${
      JSON.stringify(`${directory}/x.csv`)
    }, ["x"]).catch((e) => console.log(e.name, e.message));
    `;
    const script = `${directory}/script.ts`;
    await Deno.writeTextFile(script, code);
    const args = [
      "run",
      "--no-config",
      "--no-prompt",
      "--allow-read",
      "--allow-import",
      "--deny-write",
      script,
    ];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
    assert.match(
      new TextDecoder().decode(stdout),
      /^NotCapable Cannot write .*x\.csv: Deno was not allowed to, run it with --allow-read and --allow-write\n$/,
    );
    assert.deepEqual(names(directory), ["script.ts"]);
  }));
