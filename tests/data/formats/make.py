"""Small random SAEs in every file format, and what their owners' readers make of random input.

Run with sae-lens 6.54.12, dictionary-learning 0.1.0 and eai-sparsify 1.3.3 (with natsort, simple-parsing, einops):
    python make.py   (writes beside itself)
cases.json: by name, path and options, and what SAELens says of it; expected.safetensors: NAME/x, NAME/feature_acts, NAME/sae_out.
Expected values are those of SAELens's own loader (its downloads patched to read from here), except for sparsify: SAELens
6.54.12 cannot load what sparsify saves (it transposes W_dec), so they are sparsify's own.
The archives that SAELens has no part in (other dtypes, orders and pickles) are in arrays/.
"""

import importlib.util
import json
import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import torch
from huggingface_hub.utils import EntryNotFoundError
from safetensors.torch import load_file, save_file

import sae_lens.loading.pretrained_sae_loaders as loaders
import sae_lens.saes.sae as sae_module
from sae_lens import SAE

HERE = Path(__file__).parent
D_IN, D_SAE, ROWS, K = 16, 40, 7, 5
CASES: dict[str, dict] = {}
EXPECTED: dict[str, torch.Tensor] = {}


def package(name: str) -> None:
    """Imports of a package's modules without its __init__, which wants training tools."""
    root = Path(importlib.util.find_spec(name).origin).parent
    module = types.ModuleType(name)
    module.__path__ = [str(root)]
    sys.modules[name] = module


def local_file(repo_id: str, filename: str, subfolder: str | None = None, **_) -> str:
    path = HERE / repo_id.split("/")[-1] / (subfolder or "") / filename
    if not path.exists():
        raise EntryNotFoundError(f"no {path}")
    return str(path)


def local_shapes(repo_id: str, filename: str) -> dict[str, list[int]]:
    return {name: list(t.shape) for name, t in load_file(local_file(repo_id, filename)).items()}


loaders.hf_hub_download = local_file
loaders.get_safetensors_tensor_shapes = local_shapes


def weights(seed: int, d_out: int = D_IN, d_in: int = D_IN) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {
        "W_enc": torch.randn(d_in, D_SAE) * 0.4,
        "W_dec": torch.randn(D_SAE, d_out) * (torch.rand(D_SAE, 1) + 0.3),
        "b_enc": torch.randn(D_SAE) * 0.3,
        "b_dec": torch.randn(d_out) * 0.3,
        "threshold": torch.rand(D_SAE) * 0.8,
    }


def gemma_keys(w: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {("w_" + key[2:] if key.startswith("W_") else key): value for key, value in w.items()}


def inputs(seed: int, hook_z: bool = False) -> torch.Tensor:
    torch.manual_seed(1000 + seed)
    x = torch.randn(ROWS, D_IN) * 1.5 + 0.2
    return x.reshape(ROWS, 4, D_IN // 4) if hook_z else x


def record(name: str, path: str, x, acts, out, options: dict | None = None, **facts) -> None:
    CASES[name] = {"path": path, "options": options or {}, **facts}
    for key, value in {"x": x, "feature_acts": acts, "sae_out": out}.items():
        EXPECTED[f"{name}/{key}"] = value.detach().float().reshape(ROWS, -1).contiguous()


def check(name: str, loader: str, repo: str, folder: str, path: str, factor: float | None = None, **changes) -> None:
    """Loads with SAELens as SAE.from_pretrained does, and records what it computes."""

    def convert(repo_id, folder_name, device, force_download, cfg_overrides):
        overrides = {**cfg_overrides, **changes}
        return loaders.NAMED_PRETRAINED_SAE_LOADERS[loader](repo_id, folder_name, device, force_download, overrides)

    sae_module.get_norm_scaling_factor = lambda release, sae_id: factor
    sae = SAE.from_pretrained(repo, folder, converter=convert)
    metadata = sae.cfg.metadata
    x = inputs(len(CASES), sae.cfg.reshape_activations == "hook_z")
    if loader == "temporal":
        x = x[None]  # one prompt
    with torch.no_grad():
        acts, out = sae.encode(x), sae(x)
        if "transcoder" in sae.cfg.architecture():
            out = sae.decode(acts) if "skip" not in sae.cfg.architecture() else sae(x)
    record(
        name, path, x, acts, out,
        loader=loader, architecture=sae.cfg.architecture(), model=metadata.model_name, hook=metadata.hook_name,
        hook_out=metadata.hook_name_out, prepend_bos=metadata.prepend_bos, context_size=metadata.context_size,
        kwargs=metadata.model_from_pretrained_kwargs,
    )  # fmt: skip


def directory(*parts: str) -> Path:
    path = HERE.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def gemma_scope() -> None:
    sizes = {"d_in": D_IN, "d_sae": D_SAE}
    layer, embedding = "layer_1/width_4k/average_l0_5", "embedding/width_4k/average_l0_6"
    cases = {
        "gemma_scope-res": ("res", layer, np.savez, 1),
        "gemma_scope-mlp-compressed": ("mlp", layer, np.savez_compressed, 2),
        "gemma_scope-att-fortran": ("att", layer, np.savez, 3),
        "gemma_scope-embedding": ("res", embedding, np.savez, 4),
        "gemma_scope-transcoder": ("transcoders", layer, np.savez, 5),
    }
    for name, (site, folder, save, seed) in cases.items():
        repo = f"google/gemma-scope-2b-pt-{site}"
        arrays = {key: value.numpy() for key, value in gemma_keys(weights(seed)).items()}
        if site == "att":
            arrays = {key: np.asfortranarray(value) for key, value in arrays.items()}
        path = f"{repo.split('/')[1]}/{folder}"
        save(directory(path) / "params.npz", **arrays)
        loader = "gemma_2_transcoder" if site == "transcoders" else "gemma_2"
        check(name, loader, repo, folder, path, **sizes, **({"d_out": D_IN} if site == "transcoders" else {}))


def gemma_scope_2() -> None:
    repo = "google/gemma-scope-2-270m-pt"
    cases = {
        "gemma_scope_2-res": ("resid_post", "model.layers.1.output", None),
        "gemma_scope_2-mlp-no_config": ("mlp_out", None, None),
        "gemma_scope_2-transcoder": ("transcoder", "model.layers.1.pre_feedforward_layernorm.output", False),
        "gemma_scope_2-skip": ("transcoder_skip", "model.layers.1.pre_feedforward_layernorm.output", True),
    }
    for seed, (name, (kind, point, affine)) in enumerate(cases.items(), 10):
        folder = f"{kind}/layer_1_width_16k_l0_small"
        path = f"gemma-scope-2-270m-pt/{folder}"
        tensors = gemma_keys(weights(seed))
        if affine:
            tensors["affine_skip_connection"] = torch.randn(D_IN, D_IN) * 0.2
        save_file(tensors, directory(path) / "params.safetensors")
        if point:
            config = {"architecture": "jump_relu", "model_name": "gemma-v3-270m-pt", "hf_hook_point_in": point}
            if affine is not None:
                config |= {
                    "affine_connection": affine,
                    "hf_hook_point_out": "model.layers.1.post_feedforward_layernorm.output",
                }
            (directory(path) / "config.json").write_text(json.dumps(config))
        check(name, "gemma_3", repo, folder, path)


def linear(w: dict[str, torch.Tensor], encoder: str = "encoder", decoder: str = "decoder") -> dict[str, torch.Tensor]:
    return {
        f"{encoder}.weight": w["W_enc"].T.contiguous(),
        f"{encoder}.bias": w["b_enc"],
        f"{decoder}.weight": w["W_dec"].T.contiguous(),
        f"{decoder}.bias": w["b_dec"],
    }


def llama_scope() -> None:
    repo, folder = "fnlp/Llama3_1-8B-Base-LXR-8x", "Llama3_1-8B-Base-L1R-8x"
    path = f"Llama3_1-8B-Base-LXR-8x/{folder}"
    hyper = {
        "d_model": D_IN, "d_sae": D_SAE, "hook_point_in": "blocks.1.hook_resid_post",
        "hook_point_out": "blocks.1.hook_resid_post", "jump_relu_threshold": 0.43,
        "dataset_average_activation_norm": {"in": 2.7, "out": 2.7},
    }  # fmt: skip
    (directory(path) / "hyperparams.json").write_text(json.dumps(hyper))
    tensors = {key: value.bfloat16() for key, value in linear(weights(20)).items()}
    save_file(tensors, directory(path, "checkpoints") / "final.safetensors")
    check("llama_scope", "llama_scope", repo, folder, path, factor=D_IN**0.5 / 2.7)

    repo, folder = "fnlp/Llama-Scope-R1-Distill", "800M-Slimpajama-0-OpenR1-Math-220k/L1R"
    path = f"Llama-Scope-R1-Distill/{folder}"
    config = {"d_model": D_IN, "expansion_factor": D_SAE / D_IN, "hook_point_in": "blocks.1.hook_resid_post"}
    (directory(path) / "config.json").write_text(json.dumps(config))
    w = weights(21)
    tensors = linear(w) | {
        "log_jumprelu_threshold": w["threshold"].log(),
        "dataset_average_activation_norm.blocks.1.hook_resid_post": torch.tensor(2.2),
    }
    save_file(tensors, directory(path) / "sae_weights.safetensors")
    check("llama_scope_r1_distill", "llama_scope_r1_distill", repo, folder, path,
          factor=D_IN**0.5 / torch.tensor(2.2).item(), d_sae=D_SAE)  # fmt: skip


def dictionary_learning() -> None:
    package("dictionary_learning")
    package("dictionary_learning.trainers")
    sys.modules["nnsight"] = types.SimpleNamespace(LanguageModel=object)
    from dictionary_learning.dictionary import AutoEncoder, GatedAutoEncoder, JumpReluAutoEncoder
    from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
    from dictionary_learning.trainers.top_k import AutoEncoderTopK

    made = {
        "AutoEncoder": lambda: AutoEncoder(D_IN, D_SAE),
        "AutoEncoderTopK": lambda: AutoEncoderTopK(D_IN, D_SAE, K),
        "BatchTopKSAE": lambda: BatchTopKSAE(D_IN, D_SAE, K),
        "MatryoshkaBatchTopKSAE": lambda: MatryoshkaBatchTopKSAE(D_IN, D_SAE, K, [10, 30]),
        "GatedAutoEncoder": lambda: GatedAutoEncoder(D_IN, D_SAE),
        "JumpReluAutoEncoder": lambda: JumpReluAutoEncoder(D_IN, D_SAE),
    }
    for seed, (name, make) in enumerate(made.items(), 30):
        torch.manual_seed(seed)
        ae = make()
        with torch.no_grad():
            for value in ae.parameters():
                value.copy_(torch.randn_like(value) * 0.4)
            if "threshold" in ae.state_dict():
                ae.threshold.copy_(torch.rand_like(ae.threshold) * 0.5)
        folder = f"{name}/resid_post_layer_1/trainer_0"
        path = f"lm_sae/{folder}"
        torch.save(ae.state_dict(), directory(path) / "ae.pt")
        trainer = {
            "dict_class": name, "layer": 1, "activation_dim": D_IN, "dict_size": D_SAE, "k": K,
            "lm_name": "EleutherAI/pythia-70m-deduped", "submodule_name": "resid_post_layer_1",
        }  # fmt: skip
        (directory(path) / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {"ctx_len": 128}}))
        check(f"dictionary_learning-{name}", "dictionary_learning_1", "canrager/lm_sae", folder, path)


def sparsify() -> None:
    package("sparsify")
    from sparsify.config import SparseCoderConfig
    from sparsify.sparse_coder import SparseCoder

    torch.manual_seed(40)
    coder = SparseCoder(D_IN, SparseCoderConfig(num_latents=D_SAE, k=K))
    with torch.no_grad():
        for value in coder.parameters():
            value.copy_(torch.randn_like(value) * 0.4)
    path = directory("sae-llama-tiny", "layers.1")
    coder.save_to_disk(path)
    x = inputs(len(CASES))
    top_acts, top_indices, _ = coder.encode(x)
    acts = torch.zeros(ROWS, D_SAE).scatter(-1, top_indices, top_acts)
    record("sparsify", "sae-llama-tiny/layers.1", x, acts, coder.decode(top_acts, top_indices), loader="sparsify",
           architecture="topk", hook="blocks.1.hook_resid_post", prepend_bos=True)  # fmt: skip


def torch_files() -> None:
    w = weights(50)
    repo = "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_5"
    path = directory(repo.split("/")[1])
    torch.save({"W_enc": w["W_enc"].T.contiguous(), "W_dec": w["W_dec"].T.contiguous(), "b_enc": w["b_enc"],
                "b_dec": w["b_dec"]}, path / "layer1.sae.pt")  # fmt: skip
    check("qwen_scope", "qwen_scope", repo, "layer1.sae.pt", f"{path.name}/layer1.sae.pt", d_in=D_IN, d_sae=D_SAE)

    repo, file = "Goodfire/Llama-3.1-8B-Instruct-SAE-l19", "Llama-3.1-8B-Instruct-SAE-l19.pth"
    module = torch.nn.Module()
    module.encoder_linear, module.decoder_linear = torch.nn.Linear(D_IN, D_SAE), torch.nn.Linear(D_SAE, D_IN)
    module = module.to(torch.bfloat16)
    torch.save(module.state_dict(), directory(repo.split("/")[1]) / file)
    check("goodfire", "goodfire", repo, file, f"{repo.split('/')[1]}/{file}", d_in=D_IN, d_sae=D_SAE)

    repo, file = "qresearch/DeepSeek-R1-Distill-Llama-8B-SAE-l19", "DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt"
    # As views: columns of what is saved follow each other, and both weights share one storage.
    shared = torch.cat([w["W_enc"].flatten(), w["W_dec"].flatten()])
    n = D_IN * D_SAE
    state = linear(weights(51)) | {
        "encoder.weight": shared[:n].view(D_IN, D_SAE).T,
        "decoder.weight": shared[n:].view(D_SAE, D_IN).T,
    }
    torch.save(state, directory(repo.split("/")[1]) / file)
    check("deepseek_r1", "deepseek_r1", repo, file, f"{repo.split('/')[1]}/{file}", d_in=D_IN, d_sae=D_SAE)

    repo, file = "ckkissane/attn-saes-gpt2-small-all-layers", "gpt2-small_L1_Hcat_z_v9.pt"
    path = directory(repo.split("/")[1])
    del w["threshold"]
    torch.save({key: torch.nn.Parameter(value) for key, value in w.items()}, path / file)
    config = {"act_size": D_IN, "dict_size": D_SAE, "act_name": "blocks.1.attn.hook_z"}
    (path / file.replace(".pt", "_cfg.json")).write_text(json.dumps(config))
    check("connor_rob_hook_z", "connor_rob_hook_z", repo, file, f"{path.name}/{file}")


def transcoders() -> None:
    repo = "mwhanna/qwen3-0.6b-transcoders-lowl0"
    path = directory(repo.split("/")[1])
    w = weights(60)
    del w["threshold"]
    save_file(w | {"W_enc": w["W_enc"].T.contiguous()}, path / "layer_1.safetensors")
    (path / "config.yaml").write_text('model_name: "Qwen/Qwen3-0.6B"\nscan: tiny # a comment\ntranscoders:\n- layer_1\n')
    sizes = {"d_model": D_IN, "d_feature": D_SAE, "batch_size": 8}
    (path / "wandb-config.yaml").write_text("".join(f"{k}:\n  value: {v}\n" for k, v in sizes.items()))
    check("mwhanna_transcoder", "mwhanna_transcoder", repo, "layer_1.safetensors", f"{path.name}/layer_1.safetensors")



def temporal() -> None:
    repo, folder = "canrager/temporalSAEs", "gemma-2-2B/layer_1/temporal"
    w = weights(70)
    tensors = {"D": w["W_dec"], "b": w["b_dec"]}
    for name, size in {"k_ctx": D_SAE // 4, "q_target": D_SAE // 4, "v_ctx": D_SAE, "c_proj": D_SAE}.items():
        tensors[f"attn_layers.0.{name}.weight"] = torch.randn(size, D_SAE)
        tensors[f"attn_layers.0.{name}.bias"] = torch.randn(size) * 0.1
    path = directory(f"temporalSAEs/{folder}")
    save_file(tensors, path / "latest_ckpt.safetensors")
    (path / "conf.yaml").write_text(
        f"# tiny\ndata:\n  dtype: float32\nllm:\n  dimin: {D_IN}\nsae:\n  sae_diff_type: topk\n  kval_topk: {K}\n"
        f"  n_heads: 2\n  n_attn_layers: 1 # one\n  bottleneck_factor: 4\n  exp_factor: {D_SAE / D_IN}\n"
        "  tied_weights: True\n  scaling_factor: 0.4\nseed: 1\n"
    )
    check("temporal", "temporal", repo, folder, f"temporalSAEs/{folder}")


def npy_version(path: Path, array: np.ndarray, version: tuple[int, int]) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)


class Malicious:
    """What runs a command when Python loads it."""

    def __reduce__(self):
        return os.system, ("touch malicious-pickle-has-run",)


def arrays() -> None:
    """npz of every dtype and order, .npy of every version, torch files of every dtype."""
    path = directory("arrays")
    grid = np.arange(12).reshape(3, 4) / 8 - 0.5
    numbers = {t: grid.astype(t) for t in ["<f2", "<f4", "<f8"]}
    orders = {f"fortran{t}": np.asfortranarray(array) for t, array in numbers.items()}
    np.savez(path / "stored.npz", **numbers, **orders, scalar=np.float32(2.5), integers=np.arange(3))
    np.savez_compressed(path / "deflated.npz", **numbers, **orders, scalar=np.float32(2.5), integers=np.arange(3))
    np.savez(path / "objects.npz", w_enc=np.array([{}], dtype=object))
    np.savez(path / "big_endian.npz", w_enc=grid.astype(">f4"))
    for version in [(1, 0), (2, 0), (3, 0)]:
        npy_version(path / f"version_{version[0]}.npy", numbers["<f4"], version)
    t = torch.tensor(grid)
    kinds = {str(d).split(".")[1]: t.to(d) for d in [torch.float64, torch.float32, torch.float16, torch.bfloat16]}
    views = {"turned": kinds["float32"].T, "rows": kinds["float32"][1:], "every_second": kinds["float32"][:, ::2],
             "parameter": torch.nn.Parameter(kinds["float32"]), "integers": torch.arange(3), "scalar": torch.tensor(2.5)}
    for protocol in [2, 3, 4, 5]:
        torch.save(kinds | views | {"note": "a text", "list": [1, (2.5, None, True), -(2**70)]},
                   path / f"protocol_{protocol}.pt", pickle_protocol=protocol)  # fmt: skip
    torch.save(kinds, path / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path / "script.pt")
    torch.save(torch.nn.Linear(2, 2), path / "module.pt")
    torch.save(kinds | {"w": Malicious()}, path / "malicious.pt")


if __name__ == "__main__":
    for child in HERE.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
    for step in [gemma_scope, gemma_scope_2, llama_scope, dictionary_learning, sparsify, torch_files, transcoders, temporal, arrays]:
        step()
    (HERE / "cases.json").write_text(json.dumps(CASES, indent=1) + "\n")
    save_file(EXPECTED, HERE / "expected.safetensors")
