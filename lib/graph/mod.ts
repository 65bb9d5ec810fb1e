/**
 * The op graph: values, ops, derived graphs and derivatives. The encoding, `onnx.ts`, is imported by the runtimes that
 * need it.
 *
 * @module
 */
export * from "./value.ts";
export { graphKey } from "./key.ts";
export * from "./ops.ts";
export * from "./rewrite.ts";
export * from "./vjp.ts";
/** For the messages of model families, which import nothing else. */
export { quote } from "../quote.ts";
export { activationSecant, halvedProduct, type Rule, RULES, unbroadcast } from "./rules.ts";
