/** Every format against what its owner's reader makes of the same file (tests/data/formats/make.py). */
import assert from "node:assert/strict";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import { LOADERS } from "../../../lib/registry/loaders.ts";
import { SaeFiles } from "../../../lib/sae/formats/mod.ts";
import { OTHER_FORMATS } from "../../../lib/sae/formats/others.ts";
import { saeLens } from "../../../lib/sae/formats/sae_lens.ts";
import { loadSae } from "../../../lib/sae/load.ts";
import { toDense } from "../../../lib/sae/sparse.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { answerRange, withDirectory, withServer } from "../../weights/fixtures.ts";

const DATA = new URL("../../data/formats/", import.meta.url);
const ROOT = new URL("../../../", import.meta.url);

interface Case {
  readonly path: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly loader: string;
  readonly architecture: string;
  readonly model?: string | null;
  readonly hook: string;
  readonly hook_out?: string | null;
  readonly prepend_bos: boolean;
  readonly context_size?: number | null;
  readonly kwargs?: Readonly<Record<string, unknown>> | null;
}

const CASES = JSON.parse(Deno.readTextFileSync(new URL("cases.json", DATA))) as Record<string, Case>;
/** Where SAELens's loader has another hook or none of the file's; see each format. */
const HOOKS: Readonly<Record<string, string>> = { "blocks.1.hook_mlp_in": "blocks.1.mlp.hook_in" };
const runtime = await createRuntime({ threads: 1 });
const expected = await openSafetensors(openSource(DATA), { file: "expected.safetensors" });
let worst = 0;

Deno.test.afterAll(async () => {
  await runtime.dispose();
  await expected.source.close();
  console.log(`worst difference over the largest value: ${worst.toExponential(1)}`);
});

function compare(got: Float32Array, want: Float32Array, what: string): void {
  assert.equal(got.length, want.length, what);
  const scale = want.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  const difference = want.reduce((max, x, i) => Math.max(max, Math.abs(x - got[i])), 0) / scale;
  assert.ok(difference <= 2e-6, `${what} differs by ${difference} of the largest`);
  worst = Math.max(worst, difference);
}

async function check(name: string, location: string | URL): Promise<void> {
  const golden = CASES[name];
  await using sae = await loadSae(location, golden.options);
  const { config } = sae;
  assert.equal(config.architecture, golden.architecture);
  assert.equal(sae.hookIn, HOOKS[golden.hook] ?? golden.hook);
  assert.equal(sae.hookOut, golden.hook_out ?? golden.hook);
  assert.equal(config.prependBos, golden.prepend_bos);
  if (golden.model) assert.equal(config.modelName, golden.model);
  if (golden.context_size && golden.loader !== "mwhanna_transcoder") {
    assert.equal(config.contextSize, golden.context_size);
  }
  if (Object.keys(golden.kwargs ?? {}).length > 0) assert.deepEqual(config.modelFromPretrainedKwargs, golden.kwargs);
  const encoded = await sae.encode(runtime, await expected.read(`${name}/x`));
  const acts = await expected.read(`${name}/feature_acts`);
  const dense = toDense(encoded.activations, config.dSae);
  assert.deepEqual(dense.data.map((x) => Number(x !== 0)), acts.map((x) => Number(x !== 0)), "active features");
  compare(dense.data, acts, "feature_acts");
  compare(await sae.decode(encoded), await expected.read(`${name}/sae_out`), "sae_out");
}

for (const [name, { path }] of Object.entries(CASES)) {
  Deno.test(`${name} is its owner's`, () => check(name, new URL(path, DATA)));
}

Deno.test("a single file inside is its directory", async () => {
  await check("gemma_scope-res", new URL(`${CASES["gemma_scope-res"].path}/params.npz`, DATA));
  await check("gemma_scope_2-skip", new URL(`${CASES["gemma_scope_2-skip"].path}/params.safetensors`, DATA));
  await check("llama_scope", new URL(`${CASES.llama_scope.path}/checkpoints/final.safetensors`, DATA));
  await check("llama_scope_r1_distill", new URL(`${CASES.llama_scope_r1_distill.path}/sae_weights.safetensors`, DATA));
  await check(
    "dictionary_learning-BatchTopKSAE",
    new URL(`${CASES["dictionary_learning-BatchTopKSAE"].path}/ae.pt`, DATA),
  );
  await check("sparsify", new URL(`${CASES.sparsify.path}/sae.safetensors`, DATA));
  const bundled = "models/bundled/tiny-facts-saes/blocks.3.hook_resid_pre/sae_weights.safetensors";
  await using sae = await loadSae(new URL(bundled, ROOT));
  assert.equal(sae.hookOut, "blocks.3.hook_resid_pre");
});

Deno.test("behind http, with a query", async () => {
  const serve = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    if (url.searchParams.get("token") !== "1") return new Response(null, { status: 403 });
    const bytes = await Deno.readFile(new URL(`.${decodeURIComponent(url.pathname)}`, DATA)).catch(() => undefined);
    return bytes ? answerRange(request, bytes) : new Response(null, { status: 404 });
  };
  await withServer(serve, async (base) => {
    await check("deepseek_r1", `${base}/${CASES.deepseek_r1.path}?token=1`);
    await check("gemma_scope-mlp-compressed", `${base}/${CASES["gemma_scope-mlp-compressed"].path}?token=1`);
    await check("sparsify", new URL(`${base}/${CASES.sparsify.path}?token=1`));
  });
});

Deno.test("hashes are of the files themselves", async () => {
  await using sae = await loadSae(new URL(CASES["gemma_scope-res"].path, DATA));
  const [file] = Object.keys(await sae.fileHashes());
  assert.ok(file.endsWith("params.npz"), file);
});

Deno.test("what the user says counts more than the directories' names", async () => {
  const { path } = CASES["gemma_scope-res"];
  await using sae = await loadSae(new URL(path, DATA), { hook: "blocks.3.hook_resid_mid" });
  assert.equal(sae.hookOut, "blocks.3.hook_resid_mid");
  await using transcoder = await loadSae(new URL(path, DATA), { hook: "blocks.3.hook_mlp_out", hookIn: "blocks.3.x" });
  assert.equal(transcoder.config.architecture, "jumprelu_transcoder");
  assert.equal(transcoder.hookIn, "blocks.3.x");
  await using other = await loadSae(new URL(CASES.qwen_scope.path, DATA), { k: 3 });
  assert.equal(other.config.k, 3);
  await using scaled = await loadSae(new URL(CASES.llama_scope.path, DATA), { normScalingFactor: 2 });
  assert.equal(scaled.config.normScalingFactor, 2);
});

Deno.test("what nobody says is asked for by the option's name", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const copy = async (from: string, to: string): Promise<string> => {
      await Deno.copyFile(new URL(from, DATA), `${directory}/${to}`);
      return `${directory}/${to}`;
    };
    const npz = await copy(`${CASES["gemma_scope-res"].path}/params.npz`, "a.npz");
    await assert.rejects(loadSae(npz), /does not say which hook it belongs to.*`sae` PATH@HOOK/);
    await assert.rejects(
      loadSae(npz, { hook: "blocks.0.hook_mlp_out", hookIn: "" }).then((sae) => {
        void sae.close();
        throw new Error("opened");
      }),
    );
    await using sae = await loadSae(npz, { hook: "blocks.2.hook_resid_post" });
    assert.equal(sae.hookOut, "blocks.2.hook_resid_post");
    const transcoder = await copy(CASES.mwhanna_transcoder.path, "transcoder.safetensors");
    await assert.rejects(loadSae(transcoder), /which hook the transcoder reads.*`hookIn` HOOK/);
    await assert.rejects(loadSae(transcoder, { hookIn: "blocks.1.mlp.hook_in" }), /`sae` PATH@HOOK/);
    await assert.rejects(loadSae(await copy(CASES.qwen_scope.path, "layer0.sae.pt")), /give k to loadSae/);
    await assert.rejects(loadSae(directory), /is it the directory of an SAE/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a config that Python wrote may say NaN and Infinity", async () => {
  await withDirectory({ "cfg.json": '{"a": NaN, "b": [-Infinity, "NaN \\" Infinity"]}' }, async (directory) => {
    await using source = openSource(directory);
    assert.deepEqual(await new SaeFiles(source).json("cfg.json"), { a: null, b: [null, 'NaN " Infinity'] });
  });
});

Deno.test("a config that is no JSON is refused in time, however it is written", async () => {
  await withDirectory({ "cfg.json": `{"a": "${'\\"'.repeat(2 ** 20)}` }, async (directory) => {
    await assert.rejects(loadSae(directory), /Cannot read cfg\.json: it is not JSON/);
  });
});

Deno.test("what is not supported is recognised", async () => {
  const refused = async (path: string, why: RegExp): Promise<void> => {
    await assert.rejects(loadSae(new URL(path, DATA)), (error) => {
      assert.ok(error instanceof RangeError, String(error));
      assert.match(error.message, why);
      return true;
    });
  };
  await refused("arrays/stored.npz", /tensors of no SAE format.*<f2/);
});

Deno.test("the table of loaders is SAELens's, and its formats exist", () => {
  assert.deepEqual(Object.keys(LOADERS).sort(), [
    "connor_rob_hook_z",
    "deepseek_r1",
    "dictionary_learning_1",
    "gemma_2",
    "gemma_2_transcoder",
    "gemma_3",
    "goodfire",
    "llama_scope",
    "llama_scope_r1_distill",
    "mntss_clt_layer_transcoder",
    "mwhanna_transcoder",
    "qwen_scope",
    "sae_lens",
    "sparsify",
    "temporal",
  ]);
  const names = new Set([saeLens, ...OTHER_FORMATS].map(({ name }) => name));
  for (const [loader, { format, why }] of Object.entries(LOADERS)) {
    assert.ok(format === undefined ? why : names.has(format), loader);
  }
  const tested = new Set(Object.values(CASES).map(({ loader }) => loader));
  for (const [loader, { format }] of Object.entries(LOADERS)) {
    const isElsewhere = ["sae_lens", "mntss_clt_layer_transcoder"].includes(loader); // tests/data/{sae_lens,cross_layer}
    assert.ok(format === undefined || isElsewhere || tested.has(loader), `${loader} has no fixture`);
  }
});
