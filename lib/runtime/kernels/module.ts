/**
 * The kernels of the WebAssembly provider: one module, made here, for all threads.
 *
 * @module
 */
import { encodeModule, FunctionBuilder, type MemoryLimits, multiplyThenAdd, relaxedMultiplyAdd } from "./assembler.ts";
import { type ElementwiseKernel, elementwiseKernels } from "./elementwise.ts";
import { type StreamedKernel, streamedKernels } from "./matmul_streamed.ts";
import { type TiledKernel, tiledKernels } from "./matmul_tiled.ts";
import { type RowKernel, rowKernels } from "./rows.ts";

/** The names of all kernels. */
export type KernelName = ElementwiseKernel | RowKernel | TiledKernel | StreamedKernel;

/** Whether a · b + c can be one instruction here (relaxed SIMD). */
export function canFuse(): boolean {
  const f = new FunctionBuilder(0);
  const x = f.local("v128");
  f.body(x.set(relaxedMultiplyAdd(x.get, x.get, x.get)));
  return WebAssembly.validate(encodeModule({ f }, { initial: 0, maximum: 1, shared: false }));
}

/**
 * The bytes of the module.
 *
 * @param fused whether products are not rounded before they are added to
 */
export function encodeKernels(limits: MemoryLimits, fused: boolean): Uint8Array<ArrayBuffer> {
  const multiplyAdd = fused ? relaxedMultiplyAdd : multiplyThenAdd;
  const kernels: Record<KernelName, FunctionBuilder> = {
    ...tiledKernels(multiplyAdd),
    ...streamedKernels(multiplyAdd),
    ...elementwiseKernels(multiplyAdd),
    ...rowKernels(multiplyAdd),
  };
  return encodeModule(kernels, limits);
}
