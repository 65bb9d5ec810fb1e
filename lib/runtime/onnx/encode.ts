/**
 * Encoding a graph as the ONNX protobuf that onnxruntime runs.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import {
  type AttributeProto,
  AttributeType,
  DataLocation,
  DataType,
  encodeModel,
  type NamedTensorProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./proto.ts";
import { graphInputs } from "../../graph/graph.ts";
import { add, constant, div, erf, exp, greater, mul, neg, sigmoid, tanh, where } from "../../graph/ops.ts";
import {
  type ActivationName,
  type FloatType,
  type Graph,
  type Node,
  type Op,
  type OpKind,
  type Shape,
  type Value,
} from "../../graph/value.ts";

/** How a graph is encoded. */
export interface OnnxOptions {
  /** float32 for work, float64 for tests. */
  readonly dtype: FloatType;
  /** Use ops of onnxruntime's own where its processor kernels have faster ones; float32 only. Default false. */
  readonly contribOps?: boolean;
  /**
   * Graph inputs that become initializers instead, by their dimensions; their float32 data lies outside, in a file of the
   * input's name from its first byte on.
   */
  readonly external?: Readonly<Record<string, readonly number[]>>;
}

const ONNX_OPTIONS: OptionKinds<OnnxOptions> = { dtype: "any", contribOps: "flag", external: "any" };

/** onnxruntime's own ops. */
const CONTRIB = "com.microsoft";
const OPSET = 20;
const IR_VERSION = 9;

/** What lowering writes to. */
interface Encoder {
  readonly dtype: FloatType;
  readonly contribOps: boolean;
  /** Adds a node and returns the name of its output. */
  emit(opType: string, inputs: readonly string[], attributes?: readonly AttributeProto[], domain?: string): string;
  /** The name of an int64 vector. */
  ints(values: readonly number[]): string;
  /** The name that a value already has; encodes it and what it needs otherwise. */
  name(value: Value): string;
}

/**
 * Encodes a graph: its `Input`s become graph inputs under their names, its outputs get the names that
 * {@linkcode outputName} gives, symbolic dimensions stay symbolic. A value that is input and output is fine.
 *
 * @example
 * ```ts
 * import { input, relu } from "../../graph/ops.ts";
 * import { toOnnx } from "./encode.ts";
 *
 * const bytes = toOnnx({ y: relu(input("x", ["batch", 4])) }, { dtype: "float32" });
 * console.assert(bytes.length > 0);
 * ```
 *
 * @throws {TypeError} if an output is not of type float, two different inputs have one name, or an input has a name that
 * the encoding needs (empty, or beginning with `c:`, `i:`, `out:` or `v:`).
 */
export function toOnnx(graph: Graph, options: OnnxOptions): Uint8Array {
  checkOptions("toOnnx", options, ONNX_OPTIONS);
  const inputs = graphInputs(graph);
  for (const name of inputs.keys()) {
    if (/^$|^(c|i|out|v):/.test(name)) throw new TypeError(`A graph input cannot be named "${name}"`);
  }
  const { external = {} } = options;
  const { encoder, nodes, initializers } = newEncoder(options);
  const outputs = Object.entries(graph).map(([name, value]) => {
    if (value.type !== "float") throw new TypeError(`Output "${name}" is of type ${value.type}, not float`);
    nodes.push({ opType: "Identity", input: [encoder.name(value)], output: [outputName(name)] });
    return valueInfo(outputName(name), value, options.dtype);
  });
  return encodeModel({
    irVersion: IR_VERSION,
    producerName: "sae-attribution",
    opsetImport: [{ domain: "", version: OPSET }, { domain: CONTRIB, version: 1 }],
    graph: {
      name: "graph",
      node: nodes,
      initializer: [
        ...initializers,
        ...[...inputs.keys()].filter((name) => external[name]).map((name) => externalTensor(name, external[name])),
      ],
      input: [...inputs].filter(([name]) => !external[name]).map(([name, value]) =>
        valueInfo(name, value, options.dtype)
      ),
      output: outputs,
    },
  });
}

/** An initializer whose data lies in a file of its name. */
function externalTensor(name: string, dims: readonly number[]): NamedTensorProto {
  const entry = (key: string, value: string | number): { key: string; value: string } => ({ key, value: `${value}` });
  return {
    name,
    dims,
    dataType: DataType.FLOAT,
    dataLocation: DataLocation.EXTERNAL,
    externalData: [entry("location", name), entry("offset", 0), entry("length", 4 * dims.reduce((a, b) => a * b, 1))],
  };
}

/**
 * The name under which onnxruntime returns an output: apart from the inputs, which may be outputs too.
 *
 * @example
 * ```ts
 * import { outputName } from "./encode.ts";
 *
 * console.assert(outputName("resid") === "out:resid");
 * ```
 */
export function outputName(name: string): string {
  return `out:${name}`;
}

function newEncoder(
  { dtype, contribOps = false }: OnnxOptions,
): { encoder: Encoder; nodes: NodeProto[]; initializers: NamedTensorProto[] } {
  const nodes: NodeProto[] = [];
  const initializers: NamedTensorProto[] = [];
  const names = new Map<Value, string>();
  const constants = new Map<string, string>();
  const initializer = (key: string, tensor: TensorProto): string => {
    if (!constants.has(key)) {
      constants.set(key, key);
      initializers.push({ ...tensor, name: key });
    }
    return key;
  };
  const encoder: Encoder = {
    dtype,
    contribOps: contribOps && dtype === "float32",
    emit(opType, inputs, attributes = [], domain = ""): string {
      const output = `v:${nodes.length}`;
      nodes.push({ opType, input: [...inputs], output: [output], attribute: [...attributes], domain });
      return output;
    },
    ints: (values) =>
      initializer(`i:${values.join(",")}`, {
        dims: [values.length],
        dataType: DataType.INT64,
        int64Data: values,
      }),
    name(value): string {
      const known = names.get(value);
      if (known !== undefined) return known;
      const { op } = value;
      const made = op.kind === "Input"
        ? op.name
        : op.kind === "Constant"
        ? initializer(`c:${op.value}`, scalarTensor(op.value, dtype))
        : (LOWER[op.kind] as Lower)(value, encoder);
      names.set(value, made);
      return made;
    },
  };
  return { encoder, nodes, initializers };
}

const floatType = (dtype: FloatType): DataType => dtype === "float32" ? DataType.FLOAT : DataType.DOUBLE;

function scalarTensor(value: number, dtype: FloatType): TensorProto {
  return dtype === "float32"
    ? { dims: [], dataType: DataType.FLOAT, floatData: [value] }
    : { dims: [], dataType: DataType.DOUBLE, doubleData: [value] };
}

function valueInfo(name: string, { shape, type }: Value, dtype: FloatType): ValueInfoProto {
  const elemType = type === "float" ? floatType(dtype) : type === "int64" ? DataType.INT64 : DataType.BOOL;
  const dim = shape.map((d) => typeof d === "number" ? { dimValue: d } : { dimParam: d });
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

const intAttribute = (name: string, value: number): AttributeProto => ({ name, type: AttributeType.INT, i: value });
const intsAttribute = (name: string, values: readonly number[]): AttributeProto => ({
  name,
  type: AttributeType.INTS,
  ints: values,
});
const stringAttribute = (name: string, value: string): AttributeProto => ({
  name,
  type: AttributeType.STRING,
  s: value,
});

type Lower<K extends OpKind = OpKind> = (value: Node<K>, encoder: Encoder) => string;

/** An op that ONNX has under the same name, with the same inputs. */
function sameOp<K extends OpKind>(attributes: (op: Op<K>) => readonly AttributeProto[] = () => []): Lower<K> {
  return (value, e) => e.emit(value.op.kind, value.inputs.map(e.name), attributes(value.op));
}

const lowerReduce: Lower<"ReduceSum" | "ReduceMean"> = ({ op, inputs: [x] }, e) =>
  e.emit(op.kind, [e.name(x), e.ints(op.axes)], [intAttribute("keepdims", op.keepDims ? 1 : 0)]);

const LOWER: { readonly [K in Exclude<OpKind, "Input" | "Constant">]: Lower<K> } = {
  Add: sameOp(),
  Sub: sameOp(),
  Mul: sameOp(),
  Div: sameOp(),
  // A product with a transposed matrix, as gradients have them, without making the transpose.
  MatMul: ({ inputs: [a, b] }, e) =>
    e.contribOps && isSwapOfLast(b)
      ? e.emit("FusedMatMul", [e.name(a), e.name(b.inputs[0])], [intAttribute("transB", 1)], CONTRIB)
      : e.emit("MatMul", [e.name(a), e.name(b)]),
  Greater: sameOp(),
  Where: sameOp(),
  Neg: sameOp(),
  Sqrt: sameOp(),
  Exp: sameOp(),
  Log: sameOp(),
  Tanh: sameOp(),
  Erf: ({ inputs: [x] }, e) => e.dtype === "float32" ? e.emit("Erf", [e.name(x)]) : e.name(erfSeries(x)),
  Sigmoid: sameOp(),
  Relu: sameOp(),
  Softmax: sameOp(() => [intAttribute("axis", -1)]),
  LogSoftmax: sameOp(() => [intAttribute("axis", -1)]),
  Transpose: sameOp<"Transpose">((op) => [intsAttribute("perm", op.permutation)]),
  Concat: sameOp<"Concat">((op) => [intAttribute("axis", op.axis)]),
  GatherElements: sameOp(() => [intAttribute("axis", -1)]),
  ReduceSum: lowerReduce,
  ReduceMean: lowerReduce,
  Activation: ({ op, inputs: [x] }, e) => {
    const { fn } = op;
    if (fn === "relu") return e.emit("Relu", [e.name(x)]);
    // Gelu has float32 kernels only.
    if (fn === "silu" && e.dtype === "float32") return e.name(mul(x, sigmoid(x)));
    if (e.dtype === "float64") return e.name(decomposedActivation(x, fn));
    return e.emit("Gelu", [e.name(x)], [stringAttribute("approximate", fn === "gelu_new" ? "tanh" : "none")]);
  },
  Reshape: ({ op, inputs: [x] }, e) => {
    const dims = reshapeDims(x.shape, op.shape);
    return dims ? e.emit("Reshape", [e.name(x), e.ints(dims)]) : dynamicReshape(x, op.shape, e);
  },
  ExpandLike: ({ inputs: [x, like] }, e) => e.emit("Expand", [e.name(x), e.emit("Shape", [e.name(like)])]),
  Slice: ({ op, inputs: [x] }, e) => {
    const { axis, start, end } = op;
    return e.emit("Slice", [e.name(x), e.ints([start]), e.ints([end]), e.ints([axis])]);
  },
  Pad: ({ op, inputs: [x] }, e) => {
    const { axis, before, after } = op;
    const at = axis < 0 ? axis + x.shape.length : axis;
    const ends = [before, after].flatMap((amount) => x.shape.map((_, i) => i === at ? amount : 0));
    return e.emit("Pad", [e.name(x), e.ints(ends)]); // with axes, the WebGPU provider fails
  },
  ScatterElementsLike: ({ inputs: [updates, indices, like] }, e) => {
    const zero: TensorProto = { ...scalarTensor(0, e.dtype), dims: [1] };
    const value: AttributeProto = { name: "value", type: AttributeType.TENSOR, t: zero };
    const zeros = e.emit("ConstantOfShape", [e.emit("Shape", [e.name(like)])], [value]);
    const attributes = [intAttribute("axis", -1), stringAttribute("reduction", "add")];
    return e.emit("ScatterElements", [zeros, e.name(indices), e.name(updates)], attributes);
  },
};

/** Is it a transpose of the last two axes? */
function isSwapOfLast({ op, shape }: Value): boolean {
  const last = shape.length - 1;
  return op.kind === "Transpose" &&
    op.permutation.every((from, to) => from === (to === last ? last - 1 : to === last - 1 ? last : to));
}

/** Reshape's argument: 0 keeps the input's dimension at that place, -1 is what remains; undefined if several remain. */
function reshapeDims(from: Shape, to: Shape): number[] | undefined {
  const dims = to.map((dim, i) => typeof dim === "number" ? dim : from[i] === dim ? 0 : -1);
  return dims.filter((d) => d === -1).length < 2 ? dims : undefined;
}

/** A reshape that moves several symbols: they are looked up in the input's shape when the graph runs. */
function dynamicReshape(x: Value, to: Shape, e: Encoder): string {
  const shape = e.emit("Shape", [e.name(x)]);
  const sizes = to.map((dim) => {
    if (typeof dim === "number") return e.ints([dim]);
    const at = x.shape.indexOf(dim);
    if (at < 0) {
      throw new TypeError(`Cannot encode a reshape of [${x.shape}] to [${to}]: ${dim} has no place of its own`);
    }
    return e.emit("Gather", [shape, e.ints([at])]);
  });
  const dims = e.emit("Concat", sizes, [intAttribute("axis", 0)]);
  return e.emit("Reshape", [e.name(x), dims], [intAttribute("allowzero", 1)]);
}

/** An activation in ops that have float64 kernels. */
function decomposedActivation(x: Value, fn: ActivationName): Value {
  switch (fn) {
    case "silu": // not x·σ(x), which onnxruntime fuses into an op without a float64 kernel
      return div(x, add(1, exp(neg(x))));
    case "gelu":
      return mul(mul(0.5, x), add(1, erf(mul(x, Math.SQRT1_2))));
    case "gelu_new": {
      const inner = mul(mul(Math.sqrt(2 / Math.PI), x), add(1, mul(0.044715, mul(x, x))));
      return mul(mul(0.5, x), add(1, tanh(inner)));
    }
    case "relu":
      return mul(x, 1);
  }
}

/**
 * erf(x) = 2/√π · e^(−x²) · x · Σ (2x²)ⁿ / (2n+1)!!, all terms positive (Abramowitz and Stegun 7.1.6):
 * onnxruntime has no float64 kernel for Erf. Beyond ±6 it is ±1 to all digits.
 */
function erfSeries(x: Value): Value {
  const TERMS = 160;
  const z = where(greater(x, 6), 6, where(greater(-6, x), -6, x));
  const square = mul(z, z);
  let sum: Value = constant(1);
  for (let n = TERMS; n >= 1; n--) sum = add(1, mul(mul(square, 2 / (2 * n + 1)), sum));
  return mul(mul(2 / Math.sqrt(Math.PI), exp(neg(square))), mul(z, sum));
}
