/** mod.ts under plain Node: the bundled example, with the command line's rows. */
import assert from "node:assert/strict";
import { stop } from "../../lib/deps/esbuild.ts";
import { bundle } from "../../lib/site/build/bundle.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import { PROMPT, runCli } from "../cli/run_cli.ts";
import { compareRows, type Row } from "./rows.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** Prints the rows of the bundled example, and what is said of a file that is not there. */
const PROGRAM = `
const { calculateFeatureAttribution, loadModel, loadSae, logitDiff, longTable } = await import(process.argv[2]);
const model = await loadModel("tiny-facts");
const sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
const metric = logitDiff(" golf", " tennis");
const result = await calculateFeatureAttribution(model, ${JSON.stringify(PROMPT)}, metric, { saes: [sae] });
const { rows } = await longTable(result);
const missing = await loadModel("./no/such/model").then(() => "", (error) => error.message);
const { device_account: account = "" } = result.summary();
console.log(JSON.stringify({ rows, missing, account, v8: process.versions.v8 }));
await sae.close();
await model.close();
`;

/** Node, if it is here. */
async function hasNode(): Promise<boolean> {
  try {
    const { stdout } = await new Deno.Command("node", { args: ["--version"] }).output();
    const [major, minor] = new TextDecoder().decode(stdout).slice(1).split(".").map(Number);
    return major > 22 || (major === 22 && minor >= 3) || (major === 20 && minor >= 16);
  } catch {
    return false;
  }
}

Deno.test({
  name: "mod.ts as one bundle gives the command line's rows under Node",
  sanitizeOps: false, // the bundler's process ends a little later
  sanitizeResources: false,
  async fn() {
    if (!await hasNode()) return console.log("skipped: there is no Node here, from 20.16 or 22.3 on");
    const directory = await Deno.makeTempDir();
    try {
      const { files } = await bundle({ entries: ["mod.ts"], directory: `${directory}/modules`, platform: "node" });
      await stop();
      await Deno.symlink(`${ROOT}models`, `${directory}/models`);
      await Deno.writeTextFile(`${directory}/program.mjs`, PROGRAM);
      const { code, stdout, stderr } = await new Deno.Command("node", {
        args: [`${directory}/program.mjs`, `${directory}/modules/${files.get("mod.ts")}`],
        cwd: directory,
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      const { rows, missing, account, v8 } = JSON.parse(new TextDecoder().decode(stdout));
      const answers = ["--pos-token", " golf", "--neg-token", " tennis"];
      const args = [
        "attribute",
        PROMPT,
        ...answers,
        "--quiet",
        "--format",
        "json",
        "--threads",
        "1",
        "--device",
        "wasm",
      ];
      const expected: Row[] = JSON.parse((await runCli(args)).stdout);
      assert.equal(expected.length, 89);
      const written = (rows as number[][]).map(([position, feature, attribution]) => ({
        position,
        feature,
        attribution,
      }));
      // V8 has relaxed SIMD from 11.4 on, with which products are not rounded before they are added to.
      const isFused = Number(v8.split(".", 2).join(".")) >= 11.4;
      compareRows(written, expected, isFused);
      assert.equal(/products are rounded before they are added to/.test(account), !isFused);
      assert.match(missing, /^Cannot (?:read|open) .*no\/such\/model/);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  name: "a page's modules write CSV without what only Node has",
  sanitizeOps: false, // the bundler's process ends a little later
  sanitizeResources: false,
  async fn() {
    if (!await hasNode()) return console.log("skipped: there is no Node here, from 20.16 or 22.3 on");
    const directory = await Deno.makeTempDir();
    try {
      const entry = "lib/table/csv.ts";
      const { files } = await bundle({ entries: [entry], directory, platform: "browser" });
      await stop();
      const program = `delete globalThis.Buffer;
        const { CSV } = await import(${JSON.stringify(`${directory}/${files.get(entry)}`)});
        const { open, close } = CSV.frame(["a", "b"]);
        const table = { columns: ["a", "b"], rows: [[1, "x, y"], [0.5, null]] };
        process.stdout.write([open, ...CSV.pieces(table), close].join(""));`;
      const { code, stdout, stderr } = await new Deno.Command("node", {
        args: ["--input-type=module", "--eval", program],
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.equal(new TextDecoder().decode(stdout), 'a,b\n1,"x, y"\n0.5,\n');
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
