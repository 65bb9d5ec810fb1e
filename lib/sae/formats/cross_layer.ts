import type { SaeFormat } from "./format.ts";

/** The error for a cross-layer transcoder: each of its features writes at many layers. */
export function notYet(location: string): RangeError {
  return new RangeError(`${location} is a cross-layer transcoder: these are not supported yet`);
}

/** Cross-layer transcoders of circuit-tracer: `W_enc_0.safetensors`, `W_dec_0.safetensors`, … for each layer. */
export const crossLayer: SaeFormat = {
  name: "cross-layer transcoder",
  async open(files) {
    const named = files.named !== undefined && /^W_(enc|dec)_\d+\.safetensors$/.test(files.named);
    if (named || (files.named === undefined && await files.has("W_enc_0.safetensors"))) throw notYet(files.location);
    return undefined;
  },
};
