/**
 * Tensors as they are passed between stages.
 *
 * @module
 */

/** Elements in row-major order with their dimensions. */
export interface Tensor<Data extends TensorData = TensorData> {
  /** Sizes of the axes, outermost first. */
  readonly dims: readonly number[];
  /** The elements. */
  readonly data: Data;
}

/** The arrays that hold a tensor's elements: activations and weights, float64 in tests, indices. */
export type TensorData = Float32Array | Float64Array | BigInt64Array;

/** A tensor of float32 numbers: what all work is done in. */
export type FloatTensor = Tensor<Float32Array>;

/** A float32 tensor that lies in a device's memory. */
export interface DeviceTensor {
  /** Sizes of the axes, outermost first. */
  readonly dims: readonly number[];
  /** Tells it from a tensor in our memory. */
  readonly onDevice: true;
  /** Copies it into our memory. */
  read(): Promise<FloatTensor>;
  /** Gives its memory back; it must not be used again. */
  release(): void;
}

/** Whether a tensor lies in a device's memory. */
export function isOnDevice(tensor: Tensor | DeviceTensor): tensor is DeviceTensor {
  return "onDevice" in tensor;
}

/** A tensor in our memory. */
export function toHost(tensor: FloatTensor | DeviceTensor): Promise<FloatTensor> {
  return isOnDevice(tensor) ? tensor.read() : Promise.resolve(tensor);
}

/** Arrays one after another, copied into one. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * A float32 tensor.
 *
 * @throws {RangeError} if the number of elements is not the product of the dimensions.
 */
export function tensor(dims: readonly number[], data: Float32Array): FloatTensor {
  const size = dims.reduce((a, b) => a * b, 1);
  if (size !== data.length) throw new RangeError(`${data.length} elements do not fill [${dims.join(", ")}]`);
  return { dims, data };
}

/** The index of the first element that is NaN or infinite, or -1. */
export function firstNonFinite(data: Float32Array): number {
  for (let i = 0; i < data.length; i++) {
    const x = data[i];
    if (x - x !== 0) return i;
  }
  return -1;
}

/** ‖x‖ */
export function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
}

/** The logarithm of the sum of e^(x / temperature). */
export function logSumExp(values: Float32Array, temperature: number = 1): number {
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) if (values[i] > max) max = values[i];
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp((values[i] - max) / temperature);
  return max / temperature + Math.log(sum);
}
