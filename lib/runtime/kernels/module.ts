/**
 * The kernels of the WebAssembly provider: one module, made here, for all threads.
 *
 * @module
 */
import { encodeModule, FunctionBuilder, type MemoryLimits, multiplyThenAdd, relaxedMultiplyAdd } from "./assembler.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { matmulKernels } from "./matmul.ts";
import { rowKernels } from "./rows.ts";

/** Whether a · b + c can be one instruction here (relaxed SIMD). */
export function canFuse(): boolean {
  const f = new FunctionBuilder("probe", ["v128"]);
  const [x] = f.parameters;
  f.body(x.set(relaxedMultiplyAdd(x.get, x.get, x.get)));
  return WebAssembly.validate(encodeModule([f], { initial: 0, maximum: 1 }));
}

/**
 * The bytes of the module.
 *
 * @param fused whether products are rounded before they are added to
 */
export function encodeKernels(limits: MemoryLimits, fused: boolean): Uint8Array<ArrayBuffer> {
  const multiplyAdd = fused ? relaxedMultiplyAdd : multiplyThenAdd;
  return encodeModule([
    ...matmulKernels(multiplyAdd),
    ...elementwiseKernels(multiplyAdd),
    ...rowKernels(multiplyAdd),
  ], limits);
}
