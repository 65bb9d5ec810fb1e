import assert from "node:assert/strict";
import { AttributeType, DataType, encodeModel } from "../../../lib/runtime/onnx/proto.ts";

const text = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** A field's bytes: its tag (number · 8 + wire type), and for a length-delimited one the length. */
const delimited = (number: number, content: string): string => {
  const length = content === "" ? 0 : content.split(" ").length;
  return [number * 8 + 2, length].map((byte) => byte.toString(16).padStart(2, "0")).join(" ") +
    (content === "" ? "" : ` ${content}`);
};

Deno.test("a model is written as the protobuf specification says, fields in the order of their numbers", () => {
  const bytes = encodeModel({
    irVersion: 9,
    producerName: "é",
    opsetImport: [{ domain: "", version: 20 }],
    graph: {
      name: "g",
      node: [{
        opType: "N",
        input: ["a", "b"],
        output: ["c"],
        attribute: [{ name: "i", type: AttributeType.INTS, ints: [300, -1] }],
      }],
      initializer: [{ name: "w", dims: [2], dataType: DataType.INT64, int64Data: [1, -1] }],
      input: [{
        name: "x",
        type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimParam: "n" }, { dimValue: 4 }] } } },
      }],
      output: [],
    },
  });
  const minusOne = "ff ff ff ff ff ff ff ff ff 01";
  const attribute = [delimited(1, "69"), "40 ac 02", `40 ${minusOne}`, "a0 01 07"].join(" "); // ints one by one
  const node = [
    delimited(1, "61"),
    delimited(1, "62"),
    delimited(2, "63"),
    delimited(4, "4e"),
    delimited(5, attribute),
  ];
  const tensor = ["08 02", "10 07", delimited(7, `01 ${minusOne}`), delimited(8, "77")]; // int64_data packed
  const shape = `${delimited(1, delimited(2, "6e"))} ${delimited(1, "08 04")}`;
  const type = delimited(1, `08 01 ${delimited(2, shape)}`);
  const graph = [
    delimited(1, node.join(" ")),
    delimited(2, "67"),
    delimited(5, tensor.join(" ")),
    delimited(11, `${delimited(1, "78")} ${delimited(2, type)}`),
  ];
  const model = [
    "08 09",
    delimited(2, "c3 a9"),
    delimited(7, graph.join(" ")),
    delimited(8, `${delimited(1, "")} 10 14`),
  ];
  assert.equal(text(bytes), model.join(" "));
});

Deno.test("lists without elements are not written, numbers are little-endian", () => {
  const none = { input: [], output: [], node: [] };
  const of = (initializer: Parameters<typeof encodeModel>[0]["graph"]["initializer"]): string =>
    text(encodeModel({ irVersion: 9, producerName: "", opsetImport: [], graph: { name: "", initializer, ...none } }));
  const around = (tensor: string): string =>
    `08 09 ${delimited(2, "")} ${delimited(7, `${delimited(2, "")} ${delimited(5, tensor)}`)}`;
  const float = { name: "f", dims: [], dataType: DataType.FLOAT, floatData: [1] };
  assert.equal(of([float]), around(`10 01 ${delimited(4, "00 00 80 3f")} ${delimited(8, "66")}`));
  assert.equal(of([{ ...float, floatData: [] }]), around(`10 01 ${delimited(8, "66")}`));
  const double = { name: "d", dims: [], dataType: DataType.DOUBLE, doubleData: [1] };
  assert.equal(of([double]), around(`10 0b ${delimited(8, "64")} ${delimited(10, "00 00 00 00 00 00 f0 3f")}`));
});
