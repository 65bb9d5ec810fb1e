"""Small random models and an SAE on each, for families that need one.

    pip install -r requirements.txt
    python make_models.py phi3 ...      # writes ../models/<name> and ../saes/<name>-std-post1
"""

import argparse
import shutil
from pathlib import Path

import torch
from sae_lens import StandardSAE, StandardSAEConfig
from transformers import AutoConfig, AutoModelForCausalLM

DATA = Path(__file__).resolve().parent.parent
SIZES = dict(hidden_size=32, intermediate_size=72, num_hidden_layers=3, max_position_embeddings=64, dtype="float32")
GPT2 = dict(vocab_size=384, bos_token_id=0, eos_token_id=0, pad_token_id=None)
YARN = dict(
    rope_type="yarn",
    rope_theta=5e5,
    factor=4.0,
    beta_fast=4.0,
    attention_factor=1.15,
    original_max_position_embeddings=16,
)
# name: (model_type, whose tokenizer, settings)
MODELS = {
    "gemma": (
        "gemma",
        "gemma2",
        dict(
            num_attention_heads=3,
            num_key_value_heads=1,
            head_dim=12,
            vocab_size=446,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        ),
    ),
    "olmo2": ("olmo2", "gpt2", dict(num_attention_heads=4, num_key_value_heads=4, rope_theta=5e5, **GPT2)),
    "olmo3": (
        "olmo3",
        "gpt2",
        dict(
            num_attention_heads=4,
            num_key_value_heads=2,
            sliding_window=4,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            rope_parameters={
                "full_attention": YARN,
                "sliding_attention": dict(rope_type="default", rope_theta=5e5),
            },
            **GPT2,
        ),
    ),
    "phi3": ("phi3", "gpt2", dict(num_attention_heads=4, num_key_value_heads=2, sliding_window=5, **GPT2)),
}


def make_model(name):
    """Norms differ from 1 as trained ones do; other weights keep what they multiply at about its size."""
    model_type, tokenizer, settings = MODELS[name]
    config = AutoConfig.for_model(model_type, **SIZES, **settings)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "norm" in key:
                weight.add_(0.3 * torch.randn_like(weight))
            elif "embed_tokens" in key:
                weight.copy_(torch.randn_like(weight) * (0.2 if model_type == "gemma" else 0.7))
            else:
                weight.copy_(torch.randn_like(weight) * 1.4 / weight.shape[1] ** 0.5)
    model.save_pretrained(DATA / "models" / name)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(DATA / "models" / tokenizer / file, DATA / "models" / name / file)


def make_sae(name):
    sae = StandardSAE(StandardSAEConfig(d_in=SIZES["hidden_size"], d_sae=96))
    torch.nn.init.normal_(sae.W_enc, std=0.15)
    torch.nn.init.normal_(sae.b_enc, mean=-1.0, std=0.5)
    torch.nn.init.normal_(sae.W_dec, std=0.3)
    torch.nn.init.normal_(sae.b_dec, std=0.3)
    sae.cfg.metadata.hook_name = "blocks.1.hook_resid_post"
    sae.save_model(DATA / "saes" / f"{name}-std-post1")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=MODELS)
    for name in parser.parse_args().names:
        torch.manual_seed(0)
        make_model(name)
        make_sae(name)
