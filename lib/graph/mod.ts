/**
 * The op graph: values, ops, derived graphs and derivatives. The encoding, `onnx.ts`, is imported by the runtimes that
 * need it.
 *
 * @module
 */
export * from "./value.ts";
export * from "./ops.ts";
export * from "./rewrite.ts";
export * from "./vjp.ts";
export { activationSecant, halvedProduct, type Rule, RULES, unbroadcast } from "./rules.ts";
