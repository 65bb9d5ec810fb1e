/** onnxruntime for WebAssembly. */
export { env, InferenceSession, Tensor } from "npm:onnxruntime-web@1.30.0";
