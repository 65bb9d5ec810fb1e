import assert from "node:assert/strict";
import { normalize } from "../../lib/sae/normalization.ts";
import { config } from "./fixtures.ts";

const X = [[1, -2, 3, 4.5], [0.25, 0, -7, 1]];
const B_DEC = [0.5, -1, 2, 0.125];
const B_OUT = [0.5, -1];

/** What each kind makes of a row: z, and the way back x̂ = y · scale + shift. */
const KINDS: Record<string, (x: number[]) => { z: number[]; scale: number; shift: number }> = {
  none: (x) => ({ z: x, scale: 1, shift: 0 }),
  expected_average_only_in: (x) => ({ z: x, scale: 1, shift: 0 }),
  constant_scalar_rescale: (x) => ({ z: x.map((v) => 2.5 * v), scale: 1 / 2.5, shift: 0 }),
  constant_norm_rescale(x) {
    const c = 2 / Math.hypot(...x); // √d_in / ‖x‖
    return { z: x.map((v) => v * c), scale: 1 / c, shift: 0 };
  },
  layer_norm(x) {
    const mean = (x[0] + x[1] + x[2] + x[3]) / 4;
    const std = Math.hypot(...x.map((v) => v - mean)) / Math.sqrt(3);
    return { z: x.map((v) => (v - mean) / (std + 1e-5)), scale: std, shift: mean };
  },
};

function close(got: ArrayLike<number>, want: readonly number[], name: string): void {
  assert.equal(got.length, want.length, name);
  want.forEach((w, i) => assert.ok(Math.abs(got[i] - w) <= 1e-6 * (1 + Math.abs(w)), `${name} ${i}: ${got[i]}, ${w}`));
}

for (const [kind, expected] of Object.entries(KINDS)) {
  for (const apply of [true, false]) {
    Deno.test(`${kind}, b_dec ${apply ? "" : "not "}subtracted`, () => {
      const settings = config({
        normalize_activations: kind,
        apply_b_dec_to_input: apply,
        activation_normalization_factor: 2.5,
      });
      const { input, scale, bias } = normalize(Float32Array.from(X.flat()), Float32Array.from(B_DEC), settings);
      const want = X.map(expected);
      close(input, want.flatMap(({ z }) => z.map((v, i) => v - (apply ? B_DEC[i] : 0))), "input");
      close(scale, want.map((w) => w.scale), "scale");
      close(bias, want.flatMap((w) => B_DEC.map((b) => b * w.scale + w.shift)), "bias");
    });
  }

  Deno.test(`${kind}, transcoder: the output goes back as it is`, () => {
    const settings = config({
      architecture: "transcoder",
      d_out: 2,
      normalize_activations: kind,
      activation_normalization_factor: 2.5,
    });
    const { input, scale, bias } = normalize(Float32Array.from(X.flat()), Float32Array.from(B_OUT), settings);
    close(input, X.map(expected).flatMap(({ z }) => z), "input");
    close(scale, [1, 1], "scale");
    close(bias, [...B_OUT, ...B_OUT], "bias");
  });
}

Deno.test("a folded factor scales the input, and the output back", () => {
  const settings = {
    ...config({ normalize_activations: "expected_average_only_in" }),
    normScalingFactor: 1.6,
  };
  const { input, scale, bias } = normalize(Float32Array.from(X.flat()), Float32Array.from(B_DEC), settings);
  close(input, X.flatMap((x) => x.map((v, i) => 1.6 * v - B_DEC[i])), "input"); // (x − b_dec / k) · k
  close(scale, [1 / 1.6, 1 / 1.6], "scale");
  close(bias, X.flatMap(() => B_DEC.map((b) => b / 1.6)), "bias");
});
