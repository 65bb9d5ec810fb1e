"""Writes saes.json and models.json: the public SAEs and the model names, from the packages in requirements.txt.

    pip install --no-deps -r requirements.txt
    python make.py            # writes both files
    python make.py --check    # says whether they are what it would write

Nothing is imported from the packages, so that their own dependencies (torch, transformers) are not needed.

saes.json holds SAELens's pretrained_saes.yaml, every field of it. A release's SAEs are columns, each one text:
  id, path, neuronpedia  rows between spaces. A row is one digit of base 62: how many characters it begins with that the
                         row before begins with too; another one: how many it ends with; and what is between them.
                         A path column with an asterisk stands for all rows; the asterisk is the id.
  l0, norm_scaling_factor, variance_explained
                         numbers between spaces, repeated ones as NUMBERxTIMES
A lone "-" is a row without the field. `extra` has what no column takes, by row.
"""

import hashlib
import json
import runpy
import string
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SAE_LENS = "6.54.12"
TRANSFORMER_LENS = "3.9.0"

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
TEXTS = ("path", "neuronpedia")
NUMBERS = ("l0", "norm_scaling_factor", "variance_explained")

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


def pack_texts(rows: list[str | None]) -> str:
    packed, before = [], ""
    for row in rows:
        if row is None:
            packed.append("-")
            continue
        assert row and " " not in row, row
        most = min(len(before), len(row), len(DIGITS) - 1)
        start = next((i for i in range(most) if before[i] != row[i]), most)
        most = min(len(before) - start, len(row) - start, len(DIGITS) - 1)
        end = next((i for i in range(most) if before[-1 - i] != row[-1 - i]), most)
        packed.append(DIGITS[start] + DIGITS[end] + row[start : len(row) - end])
        before = row
    return " ".join(packed)


def unpack_texts(packed: str) -> list[str | None]:
    rows: list[str | None] = []
    before = ""
    for item in packed.split(" "):
        if item == "-":
            rows.append(None)
            continue
        end = DIGITS.index(item[1])
        before = before[: DIGITS.index(item[0])] + item[2:] + (before[-end:] if end else "")
        rows.append(before)
    return rows


def pack_numbers(rows: list[float | None]) -> str:
    packed: list[tuple[str, int]] = []
    for row in rows:
        text = "-" if row is None else number_text(row)
        if packed and packed[-1][0] == text:
            packed[-1] = (text, packed[-1][1] + 1)
        else:
            packed.append((text, 1))
    return " ".join(text if times == 1 else f"{text}x{times}" for text, times in packed)


def unpack_numbers(packed: str) -> list[float | None]:
    rows: list[float | None] = []
    for item in packed.split(" "):
        text, _, times = item.partition("x")
        rows += [None if text == "-" else float(text)] * int(times or 1)
    return rows


def pack_release(release: dict[str, Any]) -> dict[str, Any]:
    packed = {key: value for key, value in release.items() if key != "saes"}
    saes = release["saes"]
    ids = [sae["id"] for sae in saes]
    assert len(set(ids)) == len(ids), "an id is there twice"
    packed["columns"] = columns = {"id": pack_texts(ids)}
    paths = [sae["path"] for sae in saes]
    if any(isinstance(path, int) for path in paths):
        assert all(isinstance(path, int) for path in paths)
        packed["integer_paths"] = True
    for key in TEXTS:
        rows = [str(sae[key]) if key in sae else None for sae in saes]
        columns[key] = path_template(ids, rows) if key == "path" else pack_texts(rows)
        if not any(key in sae for sae in saes):
            del columns[key]
    for key in NUMBERS:
        if any(key in sae for sae in saes):
            columns[key] = pack_numbers([sae.get(key) for sae in saes])
    known = {"id", *TEXTS, *NUMBERS}
    extra = {str(i): rest for i, sae in enumerate(saes) if (rest := {k: v for k, v in sae.items() if k not in known})}
    if extra:
        packed["extra"] = extra
    return packed


def path_template(ids: list[str], paths: list[str | None]) -> str:
    """`*` where every path is made of its id in the same way."""
    assert all(path and "*" not in path for path in paths)
    template = paths[0].replace(ids[0], "*", 1)
    if "*" in template and all(template.replace("*", i) == p for i, p in zip(ids, paths)):
        return template
    return pack_texts(paths)


def unpack_release(packed: dict[str, Any]) -> dict[str, Any]:
    columns, ids = packed["columns"], unpack_texts(packed["columns"]["id"])
    fields: dict[str, list[Any]] = {"id": ids}
    template = columns["path"]
    paths = [template.replace("*", i) for i in ids] if "*" in template else unpack_texts(template)
    fields["path"] = [int(path) for path in paths] if packed.get("integer_paths") else paths
    if "neuronpedia" in columns:
        fields["neuronpedia"] = unpack_texts(columns["neuronpedia"])
    fields.update({key: unpack_numbers(columns[key]) for key in NUMBERS if key in columns})
    assert all(len(rows) == len(ids) for rows in fields.values())
    saes = [{key: rows[i] for key, rows in fields.items() if rows[i] is not None} for i in range(len(ids))]
    for i, rest in packed.get("extra", {}).items():
        saes[int(i)].update(rest)
    own = {key: value for key, value in packed.items() if key not in ("columns", "extra", "integer_paths")}
    return {**own, "saes": saes}


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
    releases = {name: pack_release(release) for name, release in directory.items()}
    assert {name: unpack_release(release) for name, release in releases.items()} == directory
    ids = [sae["neuronpedia"] for release in directory.values() for sae in release["saes"] if "neuronpedia" in sae]
    assert len(set(ids)) == len(ids), "a Neuronpedia id names two SAEs"
    return {
        "source": f"sae_lens {SAE_LENS}, pretrained_saes.yaml",
        "saes": sum(len(release["saes"]) for release in directory.values()),
        "sha256": hashlib.sha256(canonical(directory).encode()).hexdigest(),
        "releases": releases,
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
    for name, content in (("saes.json", saes), ("models.json", models)):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv[1:]:
            (HERE / name).write_text(text, "utf-8")
        elif (HERE / name).read_text("utf-8") != text:
            raise SystemExit(f"{name} is not what {Path(__file__).name} writes: run it without --check")
        print(f"{name}: {len(text)} bytes")


if __name__ == "__main__":
    main()
