/** torch files as torch writes them (tests/data/formats/make.py), and pickles that would run something if they could. */
import assert from "node:assert/strict";
import { openTorchFile } from "../../../lib/weights/formats/pickle_tensors.ts";
import { isFloatDtype, readFloats } from "../../../lib/weights/tensors/floats.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { concat, makeRandom, memorySource } from "../fixtures.ts";
import { zipOf } from "./pickle_fixtures.ts";

const ARRAYS = new URL("../../data/formats/arrays/", import.meta.url);
const GRID = Array.from({ length: 12 }, (_, i) => i / 8 - 0.5);

for (const protocol of [2, 3, 4, 5]) {
  Deno.test(`every dtype and view, protocol ${protocol}`, async () => {
    await using source = openSource(ARRAYS);
    const { zip, tensors, others } = await openTorchFile(source, `protocol_${protocol}.pt`);
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    const read = async (name: string): Promise<number[]> => {
      const { file, dtype, offset, byteLength: length, shape } = byName.get(name)!;
      assert.ok(isFloatDtype(dtype));
      const into = new Float32Array(shape.reduce((a, b) => a * b, 1));
      await readFloats(zip, file, dtype, [{ offset, length }], into);
      return [...into];
    };
    for (const name of ["float64", "float32", "float16", "bfloat16", "parameter"]) {
      assert.deepEqual(await read(name), GRID, name);
      assert.deepEqual(byName.get(name)?.shape, [3, 4]);
      assert.equal(byName.get(name)?.order, "C");
    }
    assert.deepEqual(await read("rows"), GRID.slice(4));
    assert.deepEqual(await read("turned"), GRID);
    assert.deepEqual([byName.get("turned")?.shape, byName.get("turned")?.order], [[4, 3], "F"]);
    assert.equal(byName.get("every_second")?.order, "other");
    assert.deepEqual(await read("scalar"), [2.5]);
    assert.equal(byName.get("integers")?.dtype, "I64");
    assert.deepEqual(others, ["note", "list"]);
  });
}

Deno.test("other layouts are refused by name", async () => {
  await using source = openSource(ARRAYS);
  await assert.rejects(openTorchFile(source, "legacy.pt"), /layout from before torch 1\.6.*save it again/);
  await assert.rejects(openTorchFile(source, "script.pt"), /TorchScript/);
  await assert.rejects(
    openTorchFile(source, "module.pt"),
    /"torch\.nn\.modules\.linear\.Linear".*nothing of it was run/,
  );
  await assert.rejects(openTorchFile(source, "stored.npz"), /no torch\.save file/);
  await assert.rejects(openTorchFile(source, "missing.pt"), Deno.errors.NotFound);
});

Deno.test("a malicious file that torch has written is refused, and nothing runs", async () => {
  await using source = openSource(ARRAYS);
  await assert.rejects(openTorchFile(source, "malicious.pt"), /the Python name "posix\.system".*nothing of it was run/);
  await assert.rejects(Deno.stat("malicious-pickle-has-run"), Deno.errors.NotFound);
});

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** A torch file with this pickle and one storage of 16 bytes. */
function torchFile(...pickle: readonly (string | Uint8Array)[]): Uint8Array {
  const bytes = concat(pickle.map((part) => typeof part === "string" ? ascii(part) : part));
  return zipOf([
    { name: "a/data.pkl", bytes },
    { name: "a/byteorder", bytes: ascii("little") },
    { name: "a/data/0", bytes: new Uint8Array(16) },
  ]);
}

const open = (...pickle: readonly (string | Uint8Array)[]) =>
  openTorchFile(memorySource("a.pt", torchFile(...pickle)), "a.pt");

const short = (text: string): string => `\x8c${String.fromCharCode(text.length)}${text}`;

/** Pickles that Python would run, by the instruction that they use. */
const MALICIOUS: Readonly<Record<string, string>> = {
  "REDUCE of os.system": `\x80\x02cos\nsystem\n${"X\x04\x00\x00\x00true"}\x85R.`,
  "REDUCE of builtins.eval": `\x80\x02cbuiltins\neval\n${"X\x01\x00\x00\x001"}\x85R.`,
  "GLOBAL alone": "\x80\x02cposix\nsystem\n.",
  "GLOBAL of an attribute of an allowed module": "\x80\x02ctorch._utils\n_import_dotted_name\n.",
  "GLOBAL of collections.OrderedDict's neighbour": "\x80\x02ccollections\nnamedtuple\n.",
  "STACK_GLOBAL": `\x80\x04${short("os")}${short("system")}\x93${short("true")}\x85R.`,
  "STACK_GLOBAL by dots": `\x80\x04${short("torch")}${short("os.system")}\x93${short("true")}\x85R.`,
  "INST": "\x80\x02(X\x04\x00\x00\x00trueios\nsystem\n.",
  "OBJ": "\x80\x02(cos\nsystem\nX\x04\x00\x00\x00trueo.",
  "NEWOBJ": "\x80\x02ccollections\nOrderedDict\n)\x81.",
  "NEWOBJ_EX": "\x80\x04ccollections\nOrderedDict\n)}\x92.",
  "BUILD of a class": "\x80\x02ccollections\nOrderedDict\n}b.",
  "BUILD with slots": "\x80\x02}N}\x86b.",
  "EXT1": "\x80\x02\x82\x01.",
  "PERSID": "\x80\x02Pos.system\n.",
  "REDUCE of a storage class": "\x80\x02ctorch\nFloatStorage\n)R.",
  "REDUCE of a text": "\x80\x02X\x02\x00\x00\x00os)R.",
  "OrderedDict of something": "\x80\x02ccollections\nOrderedDict\n]\x85R.",
};

for (const [name, pickle] of Object.entries(MALICIOUS)) {
  Deno.test(`${name} is refused, and nothing runs`, async () => {
    const run = Deno.Command;
    try {
      Deno.Command = class {
        constructor() {
          assert.fail("a command was run");
        }
      } as unknown as typeof Deno.Command;
      await assert.rejects(open(pickle), (error) => error instanceof RangeError || error instanceof SyntaxError);
    } finally {
      Deno.Command = run;
    }
  });
}

Deno.test("a refusal names what was found", async () => {
  await assert.rejects(open(MALICIOUS["REDUCE of os.system"]), /the Python name "os\.system".*nothing of it was run/);
  await assert.rejects(open(MALICIOUS.INST), /the instruction INST/);
  await assert.rejects(open(MALICIOUS["REDUCE of a storage class"]), /a call of "torch\.FloatStorage"/);
});

/** A dict with one tensor "w" as torch pickles it. */
function tensor(offset: string, shape: string, strides: string, key = "0", type = "torch\nFloatStorage"): string {
  const text = (value: string): string => `X${String.fromCharCode(value.length)}\x00\x00\x00${value}`;
  const storage = `(${text("storage")}c${type}\n${text(key)}${text("cpu")}K\x04tQ`;
  return `\x80\x02}${text("w")}ctorch._utils\n_rebuild_tensor_v2\n(${storage}${offset}${shape}${strides}\x89}tRs.`;
}

Deno.test("tensors stay inside their storage", async () => {
  const [four, one] = ["K\x04\x85", "K\x01\x85"];
  assert.deepEqual((await open(tensor("K\x00", four, one))).tensors.map(({ shape }) => shape), [[4]]);
  await assert.rejects(open(tensor("K\x01", four, one)), /reaches beyond its storage of 16 bytes/);
  await assert.rejects(open(tensor("K\x00", four, "K\x02\x85")), /reaches beyond/);
  await assert.rejects(open(tensor("J\xff\xff\xff\xff", four, one)), /malformed/);
  await assert.rejects(open(tensor("K\x00", "J\xff\xff\xff\xff\x85", one)), /malformed/);
  await assert.rejects(open(tensor("K\x00", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", one)), /malformed/);
  // Every element is the same one: no more is read than there is, but its size is beyond all bounds.
  await assert.rejects(open(tensor("K\x00", "J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", "K\x00K\x00\x86")), SyntaxError);
  const { tensors: [repeated] } = await open(tensor("K\x00", "J\xff\xff\xff\x7f\x85", "K\x00\x85"));
  assert.equal(repeated.order, "other");
  await assert.rejects(open(tensor("K\x00", four, "K\x01K\x01\x86")), /malformed/);
  await assert.rejects(open(tensor("K\x00", four, one, "1")), /storage of tensor "w" is not in it/);
  await assert.rejects(open(tensor("K\x00", four, one, "../../x")), /is not in it/);
  await assert.rejects(open(tensor("K\x00", four, one, "0", "os\nsystem")), /"os\.system"/);
});

Deno.test("pickles that make no sense end in an error", async () => {
  const bad = [
    "",
    "\x80\x02",
    "\x80\x02.",
    "\x80\x01N.",
    "\x80\x02N.",
    "\x80\x02].",
    "\x80\x02h\x05.",
    "\x80\x02\x85.",
    "\x80\x02(u.",
    "\x80\x02]X\x01\x00\x00\x00as.",
    "\x80\x02(.",
    "\x80\x02X\xff\xff\xff\xff.",
    "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
    "\x80\x02X\x01\x00\x00\x00\xff.",
    "\x80\x02cno end of line",
    "\x80\x02}K\x01Q.",
  ];
  for (const pickle of bad) {
    await assert.rejects(
      open(pickle),
      (e) => e instanceof SyntaxError || e instanceof RangeError,
      JSON.stringify(pickle),
    );
  }
});

Deno.test("depth, memo and length are bounded", async () => {
  const deep = await open("\x80\x02}X\x01\x00\x00\x00a", "]".repeat(100_000), "a".repeat(99_999), "s.");
  assert.deepEqual(deep.tensors, []);
  const cyclic = await open("\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.");
  assert.deepEqual(cyclic.tensors, []);
  await assert.rejects(open("\x80\x02", new Uint8Array(1_000_001).fill(0x7d), "."), /more than 1000000 instructions/);
  await assert.rejects(open("\x80\x02", new Uint8Array(9 * 2 ** 20).fill(0x7d), "."), /its pickle has/);
});

Deno.test("mutated torch files end in one clear error or in tensors inside the file", async () => {
  const original = await Deno.readFile(new URL("protocol_2.pt", ARRAYS));
  const random = makeRandom(7);
  let opened = 0;
  for (let round = 0; round < 1500; round++) {
    const bytes = round % 5 === 0 ? original.slice(0, Math.floor(random() * original.length)) : original.slice();
    for (let i = 0; round % 5 !== 0 && i < 1 + random() * 4; i++) {
      bytes[Math.floor(random() * (round % 2 ? 2000 : bytes.length))] = Math.floor(random() * 256);
    }
    try {
      const { zip, tensors } = await openTorchFile(memorySource("a.pt", bytes), "a.pt");
      for (const { file, offset, byteLength, order } of tensors) {
        if (order !== "other") await zip.read(file, offset, byteLength);
      }
      opened++;
    } catch (error) {
      assert.ok(error instanceof SyntaxError || error instanceof RangeError, `round ${round}: ${error}`);
    }
  }
  assert.ok(opened > 50, `${opened} opened`);
});
