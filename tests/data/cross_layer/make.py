"""Small random cross-layer transcoders of the tiny GPT-2 in their owners' layouts, and attributions by autograd.

Run with sae-lens 6.54.12 and transformer-lens 3.9.0: python make.py   (writes beside itself)
Layouts are those of circuit-tracer (CrossLayerTranscoder.to_safetensors, load_clt) and of Gemma Scope 2 as circuit-tracer
reads it (load_gemma_scope_2_clt). Nothing here knows the formula that is tested: features are leaves in a run of
TransformerLens in float64, each written hook's value becomes the sum of what all layers up to it write, plus the error if
it is kept, and the gradient at the value is the one after it (the notebook's rule). Then attribution = feature * its grad.
Activations are checked against SAELens's own readers of single layers, where there is one.
expected.json: by case its directory and options; expected.safetensors: CASE/HOOK/… sae_in, sae_out, feature_acts,
attributions, features, bias, error, total, and CASE/metric.
"""

import json
from pathlib import Path

import torch
from huggingface_hub.utils import EntryNotFoundError
from safetensors.torch import load_file, save_file
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import GPT2LMHeadModel

import sae_lens.loading.pretrained_sae_loaders as loaders
from sae_lens import SAE, HookedSAETransformer

HERE = Path(__file__).parent
D, D_SAE, LAYERS = 32, 24, 4
TOKENS = [0, 341, 348, 304, 347, 83, 277, 259, 323, 273]
CASES = {
    "relu": ("clt-relu", True, []),
    "relu-no_error": ("clt-relu", False, []),
    "relu-no_error-excluded": ("clt-relu", False, [0, 83]),
    "jumprelu": ("clt-jumprelu", True, [0]),
    "jumprelu-no_error": ("clt-jumprelu", False, []),
    "gemma_scope_2": ("gemma-scope-2-270m-pt/clt/width_16k_l0_big_affine", True, []),
    "gemma_scope_2-no_error": ("gemma-scope-2-270m-pt/clt/width_16k_l0_big_affine", False, []),
}


def random_layers(seed, threshold, skip):
    torch.manual_seed(seed)
    for layer in range(LAYERS):
        tensors = {
            "W_enc": torch.randn(D_SAE, D) * (0.25 if skip else 0.6),
            "W_dec": torch.randn(D_SAE, LAYERS - layer, D) * 0.25,
            "b_enc": torch.randn(D_SAE) * 0.1 - 0.2,
            "b_dec": torch.randn(D) * 0.1,
        }
        if threshold:
            tensors["threshold"] = torch.rand(D_SAE) * 0.4
        if skip:
            tensors["W_skip"] = torch.randn(D, D) * 0.05
        yield {key: value.bfloat16().float() for key, value in tensors.items()}


def write_tracer(name, layers, reads):
    """to_safetensors of circuit-tracer, in bfloat16 as it saves."""
    directory = HERE / name
    directory.mkdir(exist_ok=True)
    (directory / "config.yaml").write_text(
        f'model_name: "gpt2"\nmodel_kind: "cross_layer_transcoder"\nfeature_input_hook: "{reads}"\n'
        'feature_output_hook: "hook_mlp_out"\nscan: "tiny"\n'
    )
    for i, layer in enumerate(layers):
        encoder = {f"{key}_{i}": value.bfloat16() for key, value in layer.items() if key != "W_dec"}
        save_file(encoder, directory / f"W_enc_{i}.safetensors")
        save_file({f"W_dec_{i}": layer["W_dec"].bfloat16()}, directory / f"W_dec_{i}.safetensors")


def write_gemma(name, layers):
    directory = HERE / name
    directory.mkdir(parents=True, exist_ok=True)
    for i, layer in enumerate(layers):
        before = torch.randn(D_SAE, i, D)  # not used: a feature writes from its own layer on
        tensors = {
            "w_enc": layer["W_enc"].T.contiguous(),
            "w_dec": torch.cat([before, layer["W_dec"]], 1).contiguous(),
            "b_enc": layer["b_enc"],
            "b_dec": layer["b_dec"],
            "threshold": layer["threshold"],
            "affine_skip_connection": layer["W_skip"],
        }
        save_file(tensors, directory / f"params_layer_{i}.safetensors")


def load_model():
    gpt2 = GPT2LMHeadModel.from_pretrained(HERE.parent / "models/gpt2").float().eval()
    c = gpt2.config
    config = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head, d_head=c.n_embd // c.n_head,
        d_mlp=4 * c.n_embd, d_vocab=c.vocab_size, act_fn=c.activation_function, eps=c.layer_norm_epsilon,
        normalization_type="LN", device="cpu", dtype=torch.float64)  # fmt: skip
    model = HookedSAETransformer(config)
    model.load_and_process_state_dict(
        convert_gpt2_weights(gpt2, config), fold_ln=False, center_writing_weights=False, center_unembed=False,
        fold_value_biases=False, refactor_factored_attn_matrices=False)  # fmt: skip
    return model.double()


def encode(layer, x):
    pre = x @ layer["W_enc"].T + layer["b_enc"]
    return pre * (pre > layer["threshold"]) if "threshold" in layer else pre.relu()


def run(model, layers, reads, with_error, excluded):
    layers = [{key: value.double() for key, value in layer.items()} for layer in layers]
    inputs, acts, seen, made, replaced = {}, {}, {}, {}, {}
    keep = torch.tensor([0.0 if token in excluded else 1.0 for token in TOKENS], dtype=torch.float64)[:, None]

    def read(value, hook):
        layer = int(hook.name.split(".")[1])
        inputs[layer] = value[0].detach()
        acts[layer] = (encode(layers[layer], inputs[layer]) * keep).requires_grad_()

    def write(value, hook):
        at = int(hook.name.split(".")[1])
        bias = layers[at]["b_dec"]
        if "W_skip" in layers[at]:
            bias = bias + inputs[at] @ layers[at]["W_skip"]
        parts = sum(acts[below] @ layers[below]["W_dec"][:, at - below] for below in range(at + 1))
        x = value[0].detach()
        out = (parts + bias) * keep + x * (1 - keep)
        seen[at], made[at] = x, out.detach()
        replaced[at] = out + (x - out).detach() if with_error else out
        replaced[at] = replaced[at] + (value[0] - x)  # the gradient passes straight through
        replaced[at].retain_grad()
        return replaced[at][None]

    hooks = [(f"blocks.{layer}.{reads}", read) for layer in range(LAYERS)]
    hooks += [(f"blocks.{layer}.hook_mlp_out", write) for layer in range(LAYERS)]
    logits = model.run_with_hooks(torch.tensor([TOKENS]), fwd_hooks=hooks)[0, -1]
    metric = logits[364] - logits[296]
    metric.backward()
    results = {"metric": metric.detach()[None]}
    for at in range(LAYERS):
        g = replaced[at].grad
        bias = (layers[at]["b_dec"] + (inputs[at] @ layers[at]["W_skip"] if "W_skip" in layers[at] else 0)).expand_as(g)
        bias = bias * keep + seen[at] * (1 - keep)
        figures = {
            "sae_in": seen[at], "sae_out": made[at], "feature_acts": acts[at],
            "attributions": acts[at] * acts[at].grad, "features": (g * (made[at] - bias)).sum(-1),
            "bias": (g * bias).sum(-1), "error": (g * (seen[at] - made[at])).sum(-1), "total": (g * seen[at]).sum(-1),
        }  # fmt: skip
        results |= {f"blocks.{at}.hook_mlp_out/{key}": value for key, value in figures.items()}
    return {key: value.detach().float().contiguous() for key, value in results.items()}, inputs, acts


def compare_with_sae_lens(name, inputs, acts):
    """SAELens reads single layers, for their activations only."""
    path = HERE / name

    def local(repo_id, filename, subfolder=None, **_):
        found = path / Path(filename).name
        if not found.exists():
            raise EntryNotFoundError(f"no {found}")
        return str(found)

    def shapes(repo_id, filename):
        return {key: list(value.shape) for key, value in load_file(local(repo_id, filename)).items()}

    loaders.hf_hub_download, loaders.get_safetensors_tensor_shapes = local, shapes
    for layer, x in inputs.items():
        gemma = "gemma" in name
        loader = "gemma_3" if gemma else "mntss_clt_layer_transcoder"
        folder = f"{name.split('/', 1)[1]}/params_layer_{layer}" if gemma else str(layer)

        def convert(repo_id, folder_name, device, force_download, cfg_overrides):
            return loaders.NAMED_PRETRAINED_SAE_LOADERS[loader](repo_id, folder_name, device, force_download, {})

        sae = SAE.from_pretrained("google/gemma-scope-2-270m-pt", folder, converter=convert)
        with torch.no_grad():
            difference = (sae.encode(x.float()) - acts[layer]).abs().max().item()
        assert difference < 1e-4, (name, layer, difference)


if __name__ == "__main__":
    made = {
        "clt-relu": (list(random_layers(1, False, False)), "hook_resid_mid"),
        "clt-jumprelu": (list(random_layers(2, True, False)), "ln2.hook_normalized"),
        "gemma-scope-2-270m-pt/clt/width_16k_l0_big_affine": (list(random_layers(3, True, True)), "mlp.hook_in"),
    }
    for name, (layers, reads) in made.items():
        write_gemma(name, layers) if "gemma" in name else write_tracer(name, layers, reads)
    model = load_model()
    expected, cases = {}, {}
    for case, (name, with_error, excluded) in CASES.items():
        results, inputs, acts = run(model, *made[name], with_error, excluded)
        expected |= {f"{case}/{key}": value for key, value in results.items()}
        cases[case] = {"directory": name, "include_error_term": with_error, "excluded": excluded}
        if not excluded and name != "clt-jumprelu":
            compare_with_sae_lens(name, inputs, acts)
        active = [int((a != 0).sum()) for a in acts.values()]
        print(case, "metric", results["metric"].item(), "active", active)
    save_file(expected, HERE / "expected.safetensors")
    (HERE / "expected.json").write_text(json.dumps({"tokens": TOKENS, "cases": cases}, indent=2) + "\n")
