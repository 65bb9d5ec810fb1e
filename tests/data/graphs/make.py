"""Attribution graphs by circuit-tracer itself, on tiny random models with a random transcoder on every MLP.

Run with circuit-tracer 0.5.0, transformer-lens 3.9.0 and transformers 5.23.0: python make.py
(reads ../models, writes beside itself)

<set>/config.yaml, layer_<n>.safetensors: the transcoders, in circuit-tracer's format; of gpt2-clt those of ../cross_layer.
<set>/graph.json: what circuit-tracer's create_graph_files writes for the prompt, with its scores.
<set>/golden.safetensors, float64 rounded to float32: circuit-tracer's adjacency (rows of features and logits only, in
its order of nodes), active_features [layer, position, feature], activations, cumulative influence of all nodes, logits'
tokens and probabilities; and, by a second computation that shares nothing with it (no gradients):
pre_activations of the same rows, and biases: what is left of them when everything that a node writes is taken out of the
network and the attention patterns and norm scales are put in as they were.
gpt2/inside.safetensors: adjacency, active_features and activations of a prompt that has BOS in its middle too.
`sums` in graph.json says how well edges + bias = pre-activation held in float64.
"""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

# circuit-tracer 0.5.0 asks for an older huggingface_hub and transformers than sae-lens 6; this is all that it misses.
if not hasattr(huggingface_hub.constants, "HF_HUB_ENABLE_HF_TRANSFER"):
    huggingface_hub.constants.HF_HUB_ENABLE_HF_TRANSFER = False

from circuit_tracer.attribution.attribute import attribute
from circuit_tracer.graph import compute_graph_scores, prune_graph
from circuit_tracer.replacement_model.replacement_model_transformerlens import TransformerLensReplacementModel
from circuit_tracer.transcoder.activation_functions import JumpReLU
from circuit_tracer.transcoder.cross_layer_transcoder import load_clt
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
from circuit_tracer.utils.create_graph_files import build_model, create_nodes, create_used_nodes_and_edges
from transformer_lens.pretrained import weight_conversions

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "cases" / "hooks"))
from make import CONVERT, tl_config  # noqa: E402

PROMPT = " Tiger Woods plays"
FEATURES = 24
# model: (hook that is read, with skip connections, JumpReLU)
SETS = {
    "gpt2": ("mlp.hook_in", False, True),
    "gpt2-clt": None,  # the cross-layer transcoder in ../cross_layer/clt-jumprelu
    "llama": ("mlp.hook_in", True, False),
    "gemma2": ("ln2.hook_normalized", False, True),
}
FROZEN = re.compile(r"hook_pattern$|hook_scale$")


def make_transcoders(name, model, generator):
    """Random ones of which a few features are active, whose output is about as large as the MLP's."""
    hook_in, skip, jump = SETS[name]
    random = lambda *shape: torch.randn(*shape, generator=generator)
    layers = {}
    for layer in range(model.cfg.n_layers):
        d = model.cfg.d_model
        activation = JumpReLU(0.1 + 0.1 * torch.rand(FEATURES, generator=generator), 0.1) if jump else F.relu
        coder = SingleLayerTranscoder(d, FEATURES, activation, layer, skip, dtype=torch.float32)
        coder.W_enc.data = random(FEATURES, d) / d**0.5
        coder.b_enc.data = random(FEATURES) * 0.2 - 0.8
        coder.W_dec.data = random(FEATURES, d) * 0.3
        coder.b_dec.data = random(d) * 0.1
        if skip:
            coder.W_skip.data = random(d, d) * 0.1
        layers[layer] = coder
    directory = HERE / name
    directory.mkdir(exist_ok=True)
    found = TranscoderSet(layers, hook_in, "hook_mlp_out", scan=f"tiny-{name}")
    found.to_safetensors(str(directory))
    (directory / "config.yaml").write_text(
        f'model_name: "{name}"\nmodel_kind: "transcoder_set"\nfeature_input_hook: "{hook_in}"\n'
        f'feature_output_hook: "hook_mlp_out"\nscan: "tiny-{name}"\n'
    )
    return found


def open_model(name):
    """The model as circuit-tracer's from_pretrained_and_transcoders loads one: nothing folded but value biases."""
    source = AutoModelForCausalLM.from_pretrained(HERE.parent / "models" / name, dtype=torch.float32)
    config = tl_config(source)
    state = getattr(weight_conversions, CONVERT[source.config.model_type])(source, config)
    if config.n_key_value_heads is None:  # these converters always write for groups of heads
        state = {key.replace("attn._", "attn."): value for key, value in state.items()}
    model = TransformerLensReplacementModel(config)
    model.load_and_process_state_dict(
        {key: value.double() for key, value in state.items()},
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=True,
        refactor_factored_attn_matrices=False,
    )
    model.tokenizer = AutoTokenizer.from_pretrained(HERE.parent / "models" / name)
    if model.tokenizer.pad_token_id is None:
        model.tokenizer.pad_token = model.tokenizer.eos_token
    config.model_name = name
    return model.double()


def layer_of(coders, layer):
    """One layer's transcoder, or what a cross-layer transcoder reads and adds at one layer."""
    if isinstance(coders, TranscoderSet):
        return coders[layer]
    weights = SimpleNamespace(W_enc=coders.W_enc[layer], b_enc=coders.b_enc[layer], b_dec=coders.b_dec[layer])
    weights.W_skip = None
    return weights


def check_sums(model, graph, tokens):
    """Pre-activations, and what is left of them with the frozen network run on nothing but its biases."""
    coders = model.transcoders
    n_layers, last = model.cfg.n_layers, len(tokens) - 1
    feature_in = {f"blocks.{l}.{model.feature_input_hook}": l for l in range(n_layers)}
    mlp_out = {f"blocks.{l}.hook_mlp_out": l for l in range(n_layers)}
    wanted = lambda name: name in feature_in or name in mlp_out or bool(FROZEN.search(name))
    with torch.no_grad():
        _, clean = model.run_with_cache(tokens, names_filter=lambda n: wanted(n) or n == "ln_final.hook_normalized")
        inputs = {}

        def keep(value, hook):
            inputs[feature_in[hook.name]] = value

        def constants(value, hook):
            layer = mlp_out[hook.name]
            coder, skip = layer_of(coders, layer), torch.zeros_like(value)
            out = coder.b_dec.expand_as(value).clone()
            out[:, 0] = clean[hook.name][:, 0]  # features and errors are left out at the first token
            if coder.W_skip is not None:
                skip = coder.compute_skip(inputs[layer])
                out[:, 0] -= coder.compute_skip(clean[f"blocks.{layer}.{model.feature_input_hook}"])[:, 0]
            return out + skip

        zero = lambda value, hook: value * 0
        frozen = lambda value, hook: clean[hook.name]
        read = {}

        def final(value, hook):
            read["final"] = value

        hooks = [("hook_embed", zero), ("unembed.hook_pre", final)]
        hooks += [(name, keep) for name in feature_in] + [(name, constants) for name in mlp_out]
        hooks += [(name, frozen) for name in clean if FROZEN.search(name)]
        model.run_with_hooks(tokens, fwd_hooks=hooks)
        clean_final = {}
        model.run_with_hooks(tokens, fwd_hooks=[("unembed.hook_pre", lambda v, hook: clean_final.update(v=v))])
        pre, bias = [], []
        for layer, position, feature in graph.active_features.tolist():
            coder, name = layer_of(coders, layer), f"blocks.{layer}.{model.feature_input_hook}"
            w, b = coder.W_enc[feature], coder.b_enc[feature]
            pre.append(clean[name][0, position] @ w + b)
            bias.append(inputs[layer][0, position] @ w + b)
        centred = model.unembed.W_U - model.unembed.W_U.mean(-1, keepdim=True)
        for target in graph.logit_targets:
            pre.append(clean_final["v"][0, last] @ centred[:, target.vocab_idx])
            bias.append(read["final"][0, last] @ centred[:, target.vocab_idx])
    return torch.stack(pre), torch.stack(bias)


def make(name):
    generator = torch.Generator().manual_seed(len(name))
    model = open_model(name.removesuffix("-clt"))
    if SETS[name] is None:
        (HERE / name).mkdir(exist_ok=True)
        path = str(HERE.parent / "cross_layer" / "clt-jumprelu")
        coders = load_clt(path, "ln2.hook_normalized", scan=f"tiny-{name}", dtype=torch.float64, lazy_decoder=False)
    else:
        coders = make_transcoders(name, model, generator)
    model._configure_replacement_model(coders.double())
    tokens = torch.tensor(tokens_of(name.removesuffix("-clt"), PROMPT if SETS[name] else PROMPT[:8]))
    graph = attribute(tokens, model, max_n_logits=4, desired_logit_prob=0.95, batch_size=16)
    n_features, n_logits = len(graph.selected_features), len(graph.logit_targets)
    rows = torch.cat([graph.adjacency_matrix[:n_features], graph.adjacency_matrix[-n_logits:]])
    pre, bias = check_sums(model, graph, tokens)
    mask, edges, cumulative = prune_graph(graph, 0.8, 0.98)
    replacement, completeness = compute_graph_scores(graph)
    nodes = create_nodes(graph, mask, model.tokenizer, cumulative.tolist())
    used, links = create_used_nodes_and_edges(graph, nodes, edges)
    written = build_model(graph, used, links, f"tiny-{name}", f"tiny-{name}", 0.8, model.tokenizer)
    sums = (rows.double().sum(1) + bias - pre).abs().max().item()
    print(name, n_features, "features", len(used), "nodes kept", len(links), "links", sums, replacement, completeness)
    body = {
        **written.model_dump(),
        "tokens": tokens.tolist(),
        "scores": {"replacement": replacement, "completeness": completeness},
        "sums": sums,
    }
    (HERE / name / "graph.json").write_text(json.dumps(body) + "\n")
    save_file(
        {
            "adjacency": rows.float().contiguous(),
            "active_features": graph.active_features.float().contiguous(),
            "activations": graph.activation_values.float(),
            "cumulative": cumulative.float(),
            "logit_probabilities": graph.logit_probabilities.float(),
            "pre_activations": pre.float(),
            "biases": bias.float(),
        },
        HERE / name / "golden.safetensors",
    )


def tokens_of(name, prompt):
    tokenizer = AutoTokenizer.from_pretrained(HERE.parent / "models" / name)
    ids = tokenizer.encode(prompt, add_special_tokens=False)
    return [tokenizer.bos_token_id, *ids]


def make_inside(name):
    """Only the first position is left out, whatever stands there, and not the special tokens after it."""
    model = open_model(name)
    coders = make_transcoders(name, model, torch.Generator().manual_seed(len(name)))
    model._configure_replacement_model(coders.double())
    bos, *ids = tokens_of(name, PROMPT)
    tokens = torch.tensor([bos, *ids[:2], bos, *ids[2:]])
    graph = attribute(tokens, model, max_n_logits=4, desired_logit_prob=0.95, batch_size=16)
    n_features, n_logits = len(graph.selected_features), len(graph.logit_targets)
    tensors = {
        "tokens": tokens.float(),
        "adjacency": torch.cat([graph.adjacency_matrix[:n_features], graph.adjacency_matrix[-n_logits:]]).float(),
        "active_features": graph.active_features.float().contiguous(),
        "activations": graph.activation_values.float(),
    }
    save_file(tensors, HERE / name / "inside.safetensors")


if __name__ == "__main__":
    for name in SETS:
        make(name)
    make_inside("gpt2")
