"""Tiny random models whose directories say one thing and whose files another, and what transformers makes of them.

Run with transformers 5.23.0 and torch 2.13.0:
    python make.py   (writes beside itself)
Each directory is a model with an SAE in sae/; expected.json: the prompt's ids, the logits after it, and, as the
attribution of the SAE's features to the logit of ANSWER minus that of OTHER, rows [position, feature, attribution] by
autograd at the module that the SAE reads.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent
D, VOCAB, D_SAE = 8, 24, 12
IDS, ANSWER, OTHER = [5, 14, 7, 21, 3], 3, 7
DECODER = {"hidden_size": D, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4}
FAMILIES = {
    "gpt2": {"n_embd": D, "n_head": 2, "n_positions": 16},
    "gpt_neo": {"hidden_size": D, "num_heads": 2, "max_position_embeddings": 16, "attention_types": [[["global"], 2]]},
    "gpt_neox": {"hidden_size": D, "intermediate_size": 16, "num_attention_heads": 1, "max_position_embeddings": 16},
    **{name: DECODER for name in ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text")},
}
LAYERS = {"gpt2": "n_layer", "gpt_neo": "num_layers"}


def build(family: str, seed: int, tied: bool = False):
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        family,
        **FAMILIES[family],
        **{LAYERS.get(family, "num_hidden_layers"): 2},
        vocab_size=VOCAB,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=tied,
        initializer_range=0.3,
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def fresh(name: str) -> Path:
    shutil.rmtree(HERE / name, ignore_errors=True)
    (HERE / name).mkdir(parents=True)
    return HERE / name


def change_config(directory: Path, **settings) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}, indent=1) + "\n")


def save_sae(directory: Path, hook_name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(99)
    tensors = {
        "W_enc": torch.randn(D, D_SAE),
        "W_dec": torch.randn(D_SAE, D),
        "b_enc": torch.randn(D_SAE) * 0.1,
        "b_dec": torch.randn(D) * 0.1,
    }
    (directory / "sae").mkdir()
    save_file(tensors, directory / "sae" / "sae_weights.safetensors")
    metadata = {"hook_name": hook_name, "prepend_bos": False, "model_from_pretrained_kwargs": {}}
    config = {"architecture": "standard", "d_in": D, "d_sae": D_SAE, "apply_b_dec_to_input": True, "metadata": metadata}
    (directory / "sae" / "cfg.json").write_text(json.dumps(config, indent=1) + "\n")
    return tensors


def expect(directory: Path, module: str, hook_name: str | None = None) -> None:
    """What transformers makes of the directory; the SAE stands at the output of a module."""
    sae = save_sae(directory, hook_name or "blocks.0.hook_resid_post")
    explain(directory, module, sae, directory)
    (directory / "generation_config.json").unlink(missing_ok=True)


def explain(directory: Path, module: str, sae: dict[str, torch.Tensor], into: Path, k: int | None = None) -> None:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    kept = []

    def keep(_module, _inputs, output):
        x = output[0] if isinstance(output, tuple) else output
        x.retain_grad()
        kept.append(x)

    model.get_submodule(module).register_forward_hook(keep)
    logits = model(torch.tensor([IDS])).logits[0, -1]
    (logits[ANSWER] - logits[OTHER]).backward()
    x, grad = kept[0][0].detach(), kept[0].grad[0]
    f = torch.relu((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"])
    if k is not None:
        kept_acts = f.topk(k)
        f = torch.zeros_like(f).scatter(-1, kept_acts.indices, kept_acts.values)
    attribution = f * (grad @ sae["W_dec"].T)
    rows = [[p, i, attribution[p, i].item()] for p, i in f.nonzero().tolist()]
    expected = {"ids": IDS, "answer": ANSWER, "other": OTHER, "logits": logits.tolist(), "rows": rows}
    (into / "expected.json").write_text(json.dumps(expected) + "\n")


# A model saved in shards, and then another in one file into the same directory: transformers opens the file.
path = fresh("file_and_stale_index")
build("llama", 1).save_pretrained(path, max_shard_size="1KB")
shards = {file: file.read_bytes() for file in path.glob("model-*")}
stale = (path / "model.safetensors.index.json").read_bytes()
build("llama", 2).save_pretrained(path)
for file, content in {**shards, path / "model.safetensors.index.json": stale}.items():
    file.write_bytes(content)
expect(path, "model.layers.0")

# An index that lists a tensor which no shard has, lacks one that a shard has, and gives another in the wrong shard.
path = fresh("index_is_wrong")
build("llama", 3).save_pretrained(path, max_shard_size="2KB")
file = path / "model.safetensors.index.json"
index = json.loads(file.read_text())
weight_map = index["weight_map"]
weight_map["model.layers.7.mlp.up_proj.weight"] = weight_map.pop("model.layers.1.mlp.up_proj.weight")
first, last = min(weight_map.values()), max(weight_map.values())
weight_map["model.norm.weight"] = first if weight_map["model.norm.weight"] != first else last
file.write_text(json.dumps(index, indent=1) + "\n")
expect(path, "model.layers.0")

# config.json names the file, beside another model's model.safetensors.
path = fresh("named_file")
build("llama", 4).save_pretrained(path)
(path / "model.safetensors").rename(path / "other.safetensors")
build("llama", 5).save_pretrained(path)
change_config(path, transformers_weights="other.safetensors")
expect(path, "model.layers.0")

MODULES = {"gpt2": "transformer.h.0", "gpt_neo": "transformer.h.0", "gpt_neox": "gpt_neox.layers.0"}
for family in FAMILIES:
    module = MODULES.get(family, "model.layers.0")
    # tie_word_embeddings, and a head of its own in the file: transformers keeps the head. The SAE's hook is named as the
    # module is, by which SAELens trains on models of transformers.
    path = fresh(f"tied_with_head/{family}")
    build(family, 6, tied=False).save_pretrained(path)
    change_config(path, tie_word_embeddings=True)
    expect(path, module, hook_name=module)

# Tied, and only the head is in the file: it stands for the embedding too.
for family, embedding in {"gpt2": "transformer.wte.weight", "llama": "model.embed_tokens.weight"}.items():
    path = fresh(f"only_the_head/{family}")
    build(family, 7, tied=True).save_pretrained(path)
    tensors = load_file(path / "model.safetensors")
    tensors["lm_head.weight"] = tensors.pop(embedding)
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    expect(path, MODULES.get(family, "model.layers.0"))

# What torch saved, in one file and in shards; tied tensors are in it twice.
path = fresh("torch_file")
model = build("gpt2", 9, tied=True)
model.config.save_pretrained(path)
torch.save(model.state_dict(), path / "pytorch_model.bin")
expect(path, "transformer.h.0")

path = fresh("torch_shards")
model = build("llama", 10)
model.config.save_pretrained(path)
weight_map = {}
for i, names in enumerate([list(model.state_dict())[:8], list(model.state_dict())[8:]]):
    file = f"pytorch_model-0000{i + 1}-of-00002.bin"
    torch.save({name: model.state_dict()[name].bfloat16() for name in names}, path / file)
    weight_map |= {name: file for name in names}
(path / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}) + "\n")
expect(path, "model.layers.0")

# Trainers that read the activations of transformers' own model: dictionary_learning and sparsify.
path = fresh("trainers")
build("gpt2", 8, tied=True).save_pretrained(path)
sae = save_sae(path, "")
shutil.rmtree(path / "sae")
(path / "generation_config.json").unlink()
into = path / "resid_post_layer_0"
into.mkdir()
state = {
    "bias": sae["b_dec"],
    "encoder.weight": sae["W_enc"].T.contiguous(),
    "encoder.bias": sae["b_enc"],
    "decoder.weight": sae["W_dec"].T.contiguous(),
}
torch.save(state, into / "ae.pt")
trainer = {"dict_class": "AutoEncoder", "activation_dim": D, "dict_size": D_SAE, "layer": 0, "lm_name": "openai/tiny"}
config = {"trainer": {**trainer, "submodule_name": "resid_post_layer_0"}, "buffer": {"ctx_len": 16}}
(into / "config.json").write_text(json.dumps(config, indent=1) + "\n")
explain(path, "transformer.h.0", sae, into)

into, k = path / "h.0", 5
into.mkdir()
state = {"encoder.weight": sae["W_enc"].T.contiguous(), "encoder.bias": sae["b_enc"]}
save_file({**state, "W_dec": sae["W_dec"], "b_dec": sae["b_dec"]}, into / "sae.safetensors")
config = {"expansion_factor": 1, "normalize_decoder": False, "num_latents": D_SAE, "k": k, "multi_topk": False}
(into / "cfg.json").write_text(json.dumps({**config, "skip_connection": False, "d_in": D}, indent=1) + "\n")
explain(path, "transformer.h.0", sae, into, k)
