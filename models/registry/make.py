"""Writes saes.json.gz and models.json: the public SAEs and the model names, from the packages in requirements.txt.

    pip install --no-deps -r requirements.txt
    python make.py            # writes both files
    python make.py --check    # says whether they are what it would write

Nothing is imported from the packages, so that their own dependencies (torch, transformers) are not needed.

saes.json.gz holds SAELens's pretrained_saes.yaml, every field of it.
"""

import gzip
import hashlib
import json
import runpy
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SAE_LENS = "6.54.12"
TRANSFORMER_LENS = "3.9.0"

# The `model_type` of config.json by the class that transformers runs the model with.
MODEL_TYPES = {
    "ApertusForCausalLM": "apertus",
    "BertForMaskedLM": "bert",
    "BloomForCausalLM": "bloom",
    "GPT2LMHeadModel": "gpt2",
    "GPTJForCausalLM": "gptj",
    "GPTNeoForCausalLM": "gpt_neo",
    "GPTNeoXForCausalLM": "gpt_neox",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3_text",
    "Gemma3ForConditionalGeneration": "gemma3",
    "GemmaForCausalLM": "gemma",
    "GptOssForCausalLM": "gpt_oss",
    "HubertModel": "hubert",
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "OPTForCausalLM": "opt",
    "Olmo2ForCausalLM": "olmo2",
    "Olmo3ForCausalLM": "olmo3",
    "OlmoForCausalLM": "olmo",
    "OlmoeForCausalLM": "olmoe",
    "Phi3ForCausalLM": "phi3",
    "PhiForCausalLM": "phi",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "Qwen3_5ForConditionalGeneration": "qwen3_5",
    "Qwen3_5MoeForConditionalGeneration": "qwen3_5_moe",
    "T5ForConditionalGeneration": "t5",
}

# Other names of the same repository on the hub.
OTHER_REPOS = {
    "EleutherAI/gpt-j-6B": ["EleutherAI/gpt-j-6b"],
    "distilgpt2": ["distilbert/distilgpt2"],
    "gpt2": ["openai-community/gpt2"],
    "gpt2-large": ["openai-community/gpt2-large"],
    "gpt2-medium": ["openai-community/gpt2-medium"],
    "gpt2-xl": ["openai-community/gpt2-xl"],
    "meta-llama/Llama-3.1-70B": ["meta-llama/Meta-Llama-3.1-70B"],
    "meta-llama/Llama-3.1-70B-Instruct": ["meta-llama/Meta-Llama-3.1-70B-Instruct"],
    "meta-llama/Llama-3.1-8B": ["meta-llama/Meta-Llama-3.1-8B"],
    "meta-llama/Llama-3.1-8B-Instruct": ["meta-llama/Meta-Llama-3.1-8B-Instruct"],
}

# Where TransformerLens's list of architectures says nothing, by the beginning of the name.
UNLISTED = {
    "ArthurConmy/": {"problem": "it is not in Hugging Face's format"},
    "Baidicoot/": {"problem": "it is not in Hugging Face's format"},
    "NeelNanda/": {"problem": "it is not in Hugging Face's format"},
    "Qwen/Qwen-": {"type": "qwen"},
    "bigcode/santacoder": {"problem": "it needs code of its own"},
    "facebook/wav2vec2-": {"type": "wav2vec2"},
    "llama-": {"problem": "it is not on the Hugging Face hub"},
}


def package_file(package: str, version: str, path: str) -> Path:
    found = distribution(package)
    if found.version != version:
        raise SystemExit(f"{package} is {found.version}: install {version} (requirements.txt)")
    return Path(str(found.locate_file(path)))


def number_text(value: float) -> str:
    """The shortest text, which must be the same in JavaScript: digests are compared."""
    if value == int(value):
        return str(int(value))
    assert 1e-4 <= abs(value) < 1e15, value
    return repr(value)


def canonical(value: Any) -> str:
    """JSON with sorted keys and numbers as JavaScript writes them."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value)
    return json.dumps(value, ensure_ascii=False)


def make_saes() -> dict[str, Any]:
    file = package_file("sae-lens", SAE_LENS, "sae_lens/pretrained_saes.yaml")
    directory = yaml.load(file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert not any("/" in release for release in directory)
    for name, release in directory.items():
        own = [sae["id"] for sae in release["saes"]]
        assert len(set(own)) == len(own), f"{name} has an id twice"
    ids = [sae["neuronpedia"] for release in directory.values() for sae in release["saes"] if "neuronpedia" in sae]
    assert len(set(ids)) == len(ids), "a Neuronpedia id names two SAEs"
    return {
        "source": f"sae_lens {SAE_LENS}, pretrained_saes.yaml",
        "saes": sum(len(release["saes"]) for release in directory.values()),
        "sha256": hashlib.sha256(canonical(directory).encode()).hexdigest(),
        "releases": directory,
    }


def make_models(used: set[str]) -> dict[str, Any]:
    """The official names and aliases, and the other models that SAEs are for (`used`)."""
    file = package_file("transformer-lens", TRANSFORMER_LENS, "transformer_lens/supported_models.py")
    names = runpy.run_path(str(file))
    official, aliases = names["OFFICIAL_MODEL_NAMES"], names["MODEL_ALIASES"]
    listed = json.loads((file.parent / "tools/model_registry/data/supported_models.json").read_text("utf-8"))
    classes = {model["model_id"].lower(): model["architecture_id"] for model in listed["models"]}
    known = {n.lower() for name in official for n in [name, *aliases.get(name, [])]}
    models = {}
    for name in [*official, *sorted(used - {n for n in used if n.lower() in known})]:
        others = OTHER_REPOS.get(name, [])
        found = next((classes[n.lower()] for n in [name, *others] if n.lower() in classes), None)
        model = {"type": MODEL_TYPES[found]} if found else unlisted(name)
        if name in aliases:
            model["aliases"] = list(dict.fromkeys(aliases[name]))
        if others:
            model["other_repos"] = others
        models[name] = model
    return {"source": f"transformer_lens {TRANSFORMER_LENS}, supported_models.py", "models": models}


def unlisted(name: str) -> dict[str, Any]:
    found = [facts for start, facts in UNLISTED.items() if name.startswith(start)]
    if len(found) != 1:
        raise SystemExit(f"{name}: its architecture is not known, add it to UNLISTED")
    return dict(found[0])


def main() -> None:
    saes = make_saes()
    models = make_models({release["model"] for release in saes["releases"].values()})
    write("saes.json.gz", json.dumps(saes, separators=(",", ":"), ensure_ascii=False) + "\n")
    write("models.json", json.dumps(models, indent=2, ensure_ascii=False) + "\n")


def write(name: str, text: str) -> None:
    file = HERE / name
    unpack, pack = (gzip.decompress, lambda data: gzip.compress(data, 9, mtime=0)) if file.suffix == ".gz" else (bytes, bytes)
    if "--check" not in sys.argv[1:]:
        file.write_bytes(pack(text.encode()))
    elif unpack(file.read_bytes()) != text.encode():
        raise SystemExit(f"{name} is not what {Path(__file__).name} writes: run it without --check")
    print(f"{name}: {len(text)} characters")


if __name__ == "__main__":
    main()
