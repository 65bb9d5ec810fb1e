/** The JavaScript peer, imported by a computed address where it is asked for. */
export { defaultDevice, init, jit, numpy } from "npm:@jax-js/jax@0.1.25";
export { ONNXModel } from "npm:@jax-js/onnx@0.1.2";
