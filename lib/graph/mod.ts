/**
 * The op graph: values, ops, derived graphs, derivatives and their encoding.
 *
 * @module
 */
export * from "./value.ts";
export * from "./ops.ts";
export * from "./rewrite.ts";
export * from "./vjp.ts";
export { activationSecant, halvedProduct, type Rule, RULES, unbroadcast } from "./rules.ts";
export { type FloatType, type OnnxOptions, outputName, toOnnx } from "./onnx.ts";
