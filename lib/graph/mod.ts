/**
 * The op graph: values, ops, derived graphs and derivatives.
 *
 * @module
 */
export * from "./value.ts";
export * from "./graph.ts";
export { broadcastShapes } from "./make.ts";
export * from "./ops.ts";
export * from "./shape_ops.ts";
export * from "./rewrite.ts";
export * from "./vjp.ts";
/** For the messages of model families, which import nothing else. */
export { quote } from "../quote.ts";
export * from "./gim.ts";
export * from "./relp.ts";
export { type Rule, RULES, unbroadcast } from "./rules.ts";
