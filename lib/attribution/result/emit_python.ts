/**
 * The same run as a Python script on SAELens and TransformerLens, for whoever wants to see it there.
 *
 * @module
 */
import type { Processing } from "../../model/architecture.ts";
import type { Sae } from "../../sae/sae.ts";
import { findMethod } from "../methods/mod.ts";
import type { ResolvedMetric } from "../metric/metrics.ts";
import { processingFlags } from "../run/processing.ts";
import type { Attribution } from "./result.ts";

/**
 * A script that computes the run's rows with SAELens and prints them as CSV. A GPT-2 model is loaded from its
 * directory, others by name; SAEs from their directories.
 *
 * @throws {RangeError} if the metric or an SAE has no counterpart there
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { emitPython } from "./emit_python.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * console.assert(emitPython(result).includes("SAE.load_from_disk"));
 * ```
 */
export function emitPython(result: Attribution): string {
  const { model, grads, saes, includeErrorTerm, method, exact, baseline } = result.parts;
  if (!findMethod(method).isDerivative) {
    throw new RangeError(`The method ${method} has no Python counterpart here: leave out \`emitPython\` or \`method\``);
  }
  if (exact !== undefined) {
    throw new RangeError("Exact rows and curvatures have no Python counterpart here: leave out `emitPython`");
  }
  if (baseline) {
    throw new RangeError("A baseline other than zero has no Python counterpart here: leave out `emitPython`");
  }
  const family = model.architecture.family;
  const capped = model.architecture.logitSoftCap !== undefined;
  const hookColumn = saes.size > 1;
  const [oneHead] = [...saes].filter(([, { run }]) => run.sae.config.hookHeadIndex !== undefined);
  if (oneHead) throw new RangeError(`The SAE at ${oneHead[0]} is for one head: that has no Python counterpart here`);
  const crossLayer = [...saes].find(([, { run }]) => run.sae.config.crossLayer !== undefined);
  if (crossLayer) {
    throw new RangeError(`The SAE at ${crossLayer[0]} is of a cross-layer transcoder, which SAELens does not run`);
  }
  const excluded = [...saes.values()].at(0)?.run.excluded ?? new Set();
  const needsFolding = [...saes.values()].some(({ run }) => run.sae.config.normScalingFactor !== undefined);
  const usesMlpIn = [...saes.values()].some(({ run }) => /hook_mlp_in$/.test(run.sae.hookIn)); // off by default
  const decodeIsPart = [...saes.values()].some(({ run }) => /skip|temporal/.test(run.sae.config.architecture));
  return `# ${grads.resolvedMetric.formula} = ${result.metric}
# pip install torch sae-lens==6.54.12 transformer-lens==3.9.0 transformers
import sys

import torch
from sae_lens import SAE, HookedSAETransformer

${family === "gpt2" ? gpt2Lines(model.location, grads.processing) : namedLines(model.name, grads.processing)}

${usesMlpIn ? "model.set_use_hook_mlp_in(True)\n" : ""}${
    needsFolding ? FOLDED : ""
  }saes = {  # where it writes: (the SAE, where it reads)
${[...saes.values()].map(({ run }) => saeLine(run.sae)).join("\n")}
}
tokens = torch.tensor([[${grads.tokens.join(", ")}]])
${
    excluded.size > 0
      ? `excluded = torch.tensor([${[...excluded].join(", ")}])  # there the value passes untouched\n`
      : ""
  }\
include_error_term = ${includeErrorTerm ? "True" : "False"}
read, features = {}, {}


def keep(value, hook):
    read[hook.name] = value


def splice(value, hook):
    """The SAE in the place of the value; the gradient at the value is the one after the SAE."""
    sae, source = saes[hook.name]
    x = value if source == hook.name else read[source]
    acts = sae.encode(x).detach().requires_grad_()
    out = sae.decode(acts).reshape(value.shape)
${decodeIsPart ? BESIDES : ""}${excluded.size > 0 ? PASSED : ""}    features[hook.name] = acts
    replaced = out + (value - out).detach() if include_error_term else out
    return replaced + value - value.detach()


hooks = [(source, keep) for hook, (_, source) in saes.items() if source != hook]
logits = model.run_with_hooks(tokens, fwd_hooks=hooks + [(hook, splice) for hook in saes])[0]
${capped ? "" : "logits = logits - logits.mean(-1, keepdim=True)\n"}metric = ${
    metricExpression(grads.resolvedMetric, grads.rows)
  }
metric.backward()
print("metric", metric.item(), file=sys.stderr)
print("${hookColumn ? "hook," : ""}position,feature,attribution")
for hook, acts in features.items():
    attribution = (acts * acts.grad)[0]
    rows = [(attribution[p, f].item(), p, f) for p, f in attribution.nonzero().tolist()]
    for value, position, feature in sorted(rows, key=lambda row: (-row[0], row[1], row[2])):
        print(f"${hookColumn ? "{hook}," : ""}{position},{feature},{value:.9g}")
`;
}

const FOLDED = `
def folded(sae, factor):
    sae.fold_activation_norm_scaling_factor(factor)
    return sae


`;

const BESIDES = "    out = out + (sae(x).reshape(value.shape) - out).detach()  # what decode leaves out\n";

const PASSED = "    out = out.index_copy(1, excluded, value.detach()[:, excluded])\n";

const python = (value: unknown): string =>
  JSON.stringify(value).replaceAll("true", "True").replaceAll("false", "False");

function flags(processing: Processing): string {
  return Object.entries(processingFlags(processing)).map(([name, value]) => `${name}=${python(value)}`).join(", ");
}

function gpt2Lines(directory: string, processing: Processing): string {
  return `from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import GPT2LMHeadModel

gpt2 = GPT2LMHeadModel.from_pretrained(${JSON.stringify(directory)}).float().eval()
c = gpt2.config
config = HookedTransformerConfig(
    n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head, d_head=c.n_embd // c.n_head,
    d_mlp=c.n_inner or 4 * c.n_embd, d_vocab=c.vocab_size, act_fn=c.activation_function, eps=c.layer_norm_epsilon,
    normalization_type="LN", scale_attn_by_inverse_layer_idx=c.scale_attn_by_inverse_layer_idx, device="cpu")
model = HookedSAETransformer(config)
model.load_and_process_state_dict(
    convert_gpt2_weights(gpt2, config), ${flags(processing)},
    refactor_factored_attn_matrices=False)`;
}

function namedLines(name: string, processing: Processing): string {
  return `model = HookedSAETransformer.from_pretrained_no_processing(${JSON.stringify(name)}, ${flags(processing)})`;
}

function saeLine({ hookIn, hookOut, location, config: { normScalingFactor: k } }: Sae): string {
  const load = `SAE.load_from_disk(${JSON.stringify(location)})`;
  const folded = k === undefined ? load : `folded(${load}, ${k})`;
  return `    ${JSON.stringify(hookOut)}: (${folded}, ${JSON.stringify(hookIn)}),`;
}

/** The metric of centred logits `[position, d_vocab]`. */
function metricExpression({ name, python }: ResolvedMetric, rows: readonly number[]): string {
  if (python) return python(`logits[[${rows.join(", ")}]]`);
  throw new RangeError(`The metric ${name} has no Python counterpart: choose another, or leave out \`emitPython\``);
}
