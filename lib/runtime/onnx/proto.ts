/**
 * The messages of `onnx.proto`, with the fields that graphs need, and how they are written.
 *
 * @module
 */
import { BinaryWriter, WireType } from "../../deps/protobuf.ts";

/** A model: one graph. */
export interface ModelProto {
  readonly irVersion: number;
  readonly producerName: string;
  readonly graph: GraphProto;
  readonly opsetImport: readonly OperatorSetIdProto[];
}

/** A set of ops and its version. */
export interface OperatorSetIdProto {
  readonly domain: string;
  readonly version: number;
}

/** A graph. */
export interface GraphProto {
  readonly node: readonly NodeProto[];
  readonly name: string;
  readonly initializer: readonly NamedTensorProto[];
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
}

/** An op with the names of what it takes and makes. */
export interface NodeProto {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly opType: string;
  readonly attribute?: readonly AttributeProto[];
  readonly domain?: string;
}

/** An argument of an op; which of the values it has, `type` says. */
export interface AttributeProto {
  readonly name: string;
  readonly i?: number;
  readonly s?: string;
  readonly t?: TensorProto;
  readonly ints?: readonly number[];
  readonly type: AttributeType;
}

/** A tensor; where its data lies, `dataType` and `dataLocation` say. */
export interface TensorProto {
  readonly dims: readonly number[];
  readonly dataType: DataType;
  readonly floatData?: readonly number[];
  readonly int64Data?: readonly number[];
  readonly doubleData?: readonly number[];
  readonly externalData?: readonly StringStringEntryProto[];
  readonly dataLocation?: DataLocation;
}

/** A tensor that nodes can name. */
export interface NamedTensorProto extends TensorProto {
  readonly name: string;
}

/** A key and what it stands for. */
export interface StringStringEntryProto {
  readonly key: string;
  readonly value: string;
}

/** A graph's input or output. */
export interface ValueInfoProto {
  readonly name: string;
  readonly type: { readonly tensorType: TensorTypeProto };
}

/** What kind of tensor. */
export interface TensorTypeProto {
  readonly elemType: DataType;
  readonly shape: { readonly dim: readonly DimensionProto[] };
}

/** A dimension: a number or a symbol. */
export type DimensionProto = { readonly dimValue: number } | { readonly dimParam: string };

/** Types of tensors' elements. */
export const DataType = { FLOAT: 1, INT64: 7, BOOL: 9, DOUBLE: 11 } as const;
export type DataType = typeof DataType[keyof typeof DataType];

/** Types of attributes. */
export const AttributeType = { INT: 2, STRING: 3, TENSOR: 4, INTS: 7 } as const;
export type AttributeType = typeof AttributeType[keyof typeof AttributeType];

/** Where a tensor's data lies, if not in the tensor. */
export const DataLocation = { EXTERNAL: 1 } as const;
export type DataLocation = typeof DataLocation[keyof typeof DataLocation];

/** How a value is written. */
type Scalar = "string" | "int" | "float" | "double";
/** A field's number and what it holds; of a list, every element is written like this, or all in one. */
type Field = readonly [number: number, kind: Scalar | Fields, packed?: "packed"];
/** A message's fields by their names, in the order of their numbers. */
type Fields = Readonly<Record<string, Field>>;
/** The fields of a message, all of them. */
type FieldsOf<Message> = { readonly [Name in Message extends unknown ? keyof Message : never]-?: Field };

const ENTRY = { key: [1, "string"], value: [2, "string"] } satisfies FieldsOf<StringStringEntryProto>;

const TENSOR = {
  dims: [1, "int"],
  dataType: [2, "int"],
  floatData: [4, "float", "packed"],
  int64Data: [7, "int", "packed"],
  name: [8, "string"],
  doubleData: [10, "double", "packed"],
  externalData: [13, ENTRY],
  dataLocation: [14, "int"],
} satisfies FieldsOf<NamedTensorProto>;

const ATTRIBUTE = {
  name: [1, "string"],
  i: [3, "int"],
  s: [4, "string"],
  t: [5, TENSOR],
  ints: [8, "int"],
  type: [20, "int"],
} satisfies FieldsOf<AttributeProto>;

const NODE = {
  input: [1, "string"],
  output: [2, "string"],
  opType: [4, "string"],
  attribute: [5, ATTRIBUTE],
  domain: [7, "string"],
} satisfies FieldsOf<NodeProto>;

const DIMENSION = { dimValue: [1, "int"], dimParam: [2, "string"] } satisfies FieldsOf<DimensionProto>;
const TENSOR_TYPE = { elemType: [1, "int"], shape: [2, { dim: [1, DIMENSION] }] } satisfies FieldsOf<TensorTypeProto>;
const VALUE_INFO = {
  name: [1, "string"],
  type: [2, { tensorType: [1, TENSOR_TYPE] }],
} satisfies FieldsOf<ValueInfoProto>;

const GRAPH = {
  node: [1, NODE],
  name: [2, "string"],
  initializer: [5, TENSOR],
  input: [11, VALUE_INFO],
  output: [12, VALUE_INFO],
} satisfies FieldsOf<GraphProto>;

const OPERATOR_SET = { domain: [1, "string"], version: [2, "int"] } satisfies FieldsOf<OperatorSetIdProto>;

const MODEL = {
  irVersion: [1, "int"],
  producerName: [2, "string"],
  graph: [7, GRAPH],
  opsetImport: [8, OPERATOR_SET],
} satisfies FieldsOf<ModelProto>;

/** A model's bytes. */
export function encodeModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writeMessage(writer, MODEL, { ...model });
  return writer.finish();
}

const WIRE_TYPES: Readonly<Record<Scalar, WireType>> = {
  string: WireType.LengthDelimited,
  int: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
};

function writeMessage(writer: BinaryWriter, fields: Fields, message: Readonly<Record<string, unknown>>): void {
  for (const [name, [number, kind, packed]] of Object.entries(fields)) {
    const value = message[name];
    if (value === undefined) continue;
    const values = Array.isArray(value) ? value : [value];
    if (packed && values.length > 0) {
      writer.tag(number, WireType.LengthDelimited).fork();
      for (const one of values) writeScalar(writer, kind as Scalar, one);
      writer.join();
    } else {
      for (const one of values) writeValue(writer, number, kind, one);
    }
  }
}

function writeValue(writer: BinaryWriter, number: number, kind: Scalar | Fields, value: unknown): void {
  if (typeof kind === "string") return writeScalar(writer.tag(number, WIRE_TYPES[kind]), kind, value);
  writer.tag(number, WireType.LengthDelimited).fork();
  writeMessage(writer, kind, value as Readonly<Record<string, unknown>>);
  writer.join();
}

function writeScalar(writer: BinaryWriter, kind: Scalar, value: unknown): void {
  if (kind === "string") writer.string(value as string);
  else if (kind === "int") writer.int64(value as number);
  else writer[kind](value as number);
}
