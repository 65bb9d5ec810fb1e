"""The reference stack on local files: the notebook's own functions, TransformerLens's models, sae_lens's SAEs."""

import contextlib
import io
import json
import math
import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from sae_lens import SAE, HookedSAETransformer
from sae_lens.loading.pretrained_sae_loaders import sae_lens_disk_loader
from transformer_lens import loading_from_pretrained
from transformers import AutoConfig
from transformers.utils import logging

DEFINITIONS = [
    "SaeReconstructionCache",
    "track_grad",
    "ApplySaesAndRunOutput",
    "apply_saes_and_run",
    "AttributionGrads",
    "Attribution",
    "calculate_attribution_grads",
    "calculate_feature_attribution",
    "test_prompt_pandas",
    "metric_fn",
]
NOT_NEEDED = ("IPython", "plotly")


class Notebook:
    """The notebook's functions, run as they stand; `last` is what its last run made on the way."""

    def __init__(self, path):
        text = Path(path).read_text()
        if Path(path).suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        blocks = definitions(text)
        missing = [name for name in DEFINITIONS if name not in blocks]
        if missing:
            raise SystemExit(f"{path} does not define {', '.join(missing)}: is it the notebook's text?")
        imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
        imports = [line for line in imports if line.split()[1].split(".")[0] not in NOT_NEEDED]
        self.scope = {}
        exec("\n".join([*imports, "EPS = 1e-8"]), self.scope)
        for name in DEFINITIONS:
            if name != "metric_fn":
                exec(blocks[name], self.scope)
        self._metric = blocks["metric_fn"]
        grads = self.scope["calculate_attribution_grads"]

        def keep(*args, **options):
            self.last = grads(*args, **options)
            return self.last

        self.scope["calculate_attribution_grads"] = keep

    def __getattr__(self, name):
        return self.scope[name]

    def metric_fn(self, pos_token, neg_token):
        scope = {**self.scope, "pos_token": pos_token, "neg_token": neg_token}
        exec(self._metric, scope)
        return scope["metric_fn"]


def definitions(text):
    """Functions and classes at the left margin, by name, each with its decorators."""
    lines, found, i = text.splitlines(), {}, 0
    while i < len(lines):
        start = i
        while i < len(lines) and lines[i].startswith("@"):
            i += 1
        if i == len(lines) or not lines[i].startswith(("def ", "class ")):
            i = max(i, start + 1)
            continue
        name = lines[i].split()[1].split("(")[0].rstrip(":")
        i += 1
        while i < len(lines) and (not lines[i].strip() or lines[i][0] in " )"):
            i += 1
        found[name] = "\n".join(lines[start:i])
    return found


def convert_config(model_name, **options):
    """TransformerLens knows Gemma and OLMo 2 by the names on the hub only: one such, with this model's sizes."""
    config = json.loads((Path(model_name) / "config.json").read_text())
    template = TEMPLATES.get(config["architectures"][0])
    if template is None:
        return ORIGINAL_CONVERT(model_name, **options)
    own = AutoConfig.from_pretrained(model_name)
    with patch.object(loading_from_pretrained.AutoConfig, "from_pretrained", lambda *_, **__: own):
        settings = ORIGINAL_CONVERT(template, **options)
    heads = config["num_attention_heads"]
    settings.update(
        d_model=config["hidden_size"],
        d_head=config.get("head_dim") or config["hidden_size"] // heads,
        n_heads=heads,
        n_key_value_heads=config["num_key_value_heads"] if "n_key_value_heads" in settings else None,
        d_mlp=config["intermediate_size"],
        n_layers=config["num_hidden_layers"],
        n_ctx=config["max_position_embeddings"],
        eps=config["rms_norm_eps"],
        d_vocab=config["vocab_size"],
        act_fn=config.get("hidden_activation") or config["hidden_act"],
        attn_types=["global"] * config["num_hidden_layers"],
        tokenizer_name=model_name,
        **rotary_bases(config),
    )
    settings["rotary_dim"] = settings["d_head"]
    if "layer_types" in config:
        kinds = [kind == "sliding_attention" for kind in config["layer_types"]]
        settings.update(
            window_size=config["sliding_window"],
            attn_types=["local" if local else "global" for local in kinds],
            attn_scale=math.sqrt(config["query_pre_attn_scalar"]),
            attn_scores_soft_cap=config["attn_logit_softcapping"] or -1.0,
            output_logits_soft_cap=config["final_logit_softcapping"] or -1.0,
        )
    return settings


def rotary_bases(config):
    rope = config.get("rope_parameters") or {}
    full = rope.get("full_attention", rope).get("rope_theta", config.get("rope_theta"))
    local = rope.get("sliding_attention", {}).get("rope_theta", config.get("rope_local_base_freq"))
    return {"rotary_base": full, **({"rotary_base_local": local} if local else {})}


TEMPLATES = {
    "GemmaForCausalLM": "google/gemma-2b",
    "Gemma2ForCausalLM": "google/gemma-2-2b",
    "Gemma3ForCausalLM": "google/gemma-3-1b",
    "Olmo2ForCausalLM": "allenai/OLMo-2-1124-7B",
}
ORIGINAL_CONVERT = loading_from_pretrained.convert_hf_model_config
# Nothing is looked for on the hub: a name is a directory, and a name that says nothing is not taken for a known model.
loading_from_pretrained.get_official_model_name = lambda name: name
loading_from_pretrained.convert_hf_model_config = convert_config
logging.disable_progress_bar()


def load_model(path, processing_kwargs, dtype):
    """A model from its directory, its weights folded in float32 and then run in `dtype`.

    `processing_kwargs` are those of an SAE's metadata; None stands for TransformerLens's default processing.
    """
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
        shutil.copytree(path, Path(directory) / "model")
        with contextlib.chdir(directory):
            if processing_kwargs is None:
                model = HookedSAETransformer.from_pretrained("model", device="cpu")
            else:
                model = HookedSAETransformer.from_pretrained_no_processing("model", device="cpu", **processing_kwargs)
        model.set_use_hook_mlp_in(True)
        model.cfg.dtype = dtype
        return model.to(dtype).eval()


def gemma_scope(path, device, cfg_overrides=None):
    """As sae_lens reads Gemma Scope's params.npz, where the hub says the rest."""
    with np.load(Path(path) / "params.npz") as arrays:
        state = {key.replace("w_", "W_"): torch.tensor(value) for key, value in arrays.items()}
    d_in, d_sae = state["W_enc"].shape
    config = {"architecture": "jumprelu", "d_in": d_in, "d_sae": d_sae, "dtype": "float32", "device": device}
    return {**config, "apply_b_dec_to_input": False, "normalize_activations": "none", **(cfg_overrides or {})}, state


def load_sae(path, dtype, norm_scaling_factor=None):
    converter = gemma_scope if (path / "params.npz").exists() else sae_lens_disk_loader
    sae = SAE.load_from_disk(path, device="cpu", dtype=dtype, converter=converter)
    if norm_scaling_factor is not None:
        sae.fold_activation_norm_scaling_factor(norm_scaling_factor)
    return sae.eval()


class Adapter:
    """What the notebook asks of an SAE, for one that reads at another hook or passes by some positions."""

    def __init__(self, sae, model, hook_in, excluded):
        self.sae, self.hook_in, self.excluded = sae, hook_in, excluded[None, :, None]
        if hook_in is not None:
            model.add_hook(hook_in, self._read)

    def _read(self, value, hook):
        self.read = value.detach().clone()

    def encode(self, value):
        self.value = value
        acts = self.sae.encode(value if self.hook_in is None else self.read)
        return acts.masked_fill(self.excluded, 0)

    def decode(self, acts):
        out = self.sae.decode(acts)
        if hasattr(self.sae, "W_skip"):
            out = out + self.read @ self.sae.W_skip.T
        excluded = self.excluded if out.ndim == 3 else self.excluded[..., None]
        return torch.where(excluded, self.value, out)


def activation_margin(sae, value, positions):
    """The smallest distance of what the encoder compares from where a feature would switch."""
    z = sae.process_sae_in(value)[0, positions]
    kind = sae.cfg.architecture()
    if kind == "gated":
        gate, magnitude = z @ sae.W_enc + sae.b_gate, z @ (sae.W_enc * sae.r_mag.exp()) + sae.b_mag
        return min(min_abs(gate), min_abs(magnitude[gate > 0]))
    pre = z @ sae.W_enc + sae.b_enc
    if kind.startswith("jumprelu"):
        return min_abs(pre - sae.threshold)
    if kind == "topk":
        if sae.cfg.rescale_acts_by_decoder_norm:
            pre = pre * sae.W_dec.norm(dim=-1)
        top = pre.topk(sae.cfg.k + 1).values
        return min(min_abs(top[:, -2] - top[:, -1]), min_abs(top[:, :-1]))
    return min_abs(pre)


def min_abs(values):
    return values.abs().min().item()
