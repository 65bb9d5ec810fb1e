/** onnxruntime for WebGPU: another build in the same package. */
export { env, InferenceSession, Tensor } from "npm:onnxruntime-web@1.30.0/webgpu";
