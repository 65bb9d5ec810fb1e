"""SAELens's steering in PyTorch, for tests/attribution/change/steer_text.test.ts, to steer.json.

    python tests/data/generate/steer.py

As in SAELens's tutorial, a hook adds `max_act * steering_strength * W_dec[feature]` to the activations, here at all
positions or at those of generated tokens, while transformers decodes greedily. `log_probabilities` are those of the tokens
in the steered model, `perplexity` is the model's own. In `vector_cases` it is `strength * vector`, where relative
`strength * norm(x) * vector / norm(vector)` at each position, of the vector in vector.safetensors.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODEL, SAE, LAYER = HERE.parent / "models/gpt2", HERE.parent / "saes/g-std-pre2", 2
PROMPT, NEW_TOKENS = [0, 44, 101, 7, 230, 19], 20
CASES = [
    (feature, where, max_act, strength)
    for feature, max_act in ((5, 3.0), (83, 1.5))
    for where in ("all", "new", "prompt")
    for strength in (0.0, 1.0, 4.0, -2.0)
]

VECTOR_CASES = [
    (module, hook, where, relative, strength)
    for module, hook in (("h.2", "blocks.2.hook_resid_pre"), ("h.0.attn.c_proj", "blocks.0.attn.hook_z"))
    for where in ("all", "new", "prompt")
    for relative, strength in ((False, 1.5), (False, -4.0), (True, 0.5), (True, -2.0))
]

model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager").eval()
random = torch.Generator().manual_seed(0)
vectors = {hook: torch.randn(model.config.n_embd, generator=random) for _, hook in dict.fromkeys(c[:2] for c in VECTOR_CASES)}
save_file(vectors, HERE / "vector.safetensors")
first, *_ = vectors.values()
torch.save(first[None], HERE / "vector.pt")
torch.save({2: first.bfloat16()}, HERE / "layers.pt")
w_dec = load_file(SAE / "sae_weights.safetensors")["W_dec"]


def run(feature, where, max_act, strength):
    said = {"feature": feature, "where": where, "max_act": max_act, "strength": strength}
    return said | texts(f"h.{LAYER}", where, lambda hidden: max_act * strength * w_dec[feature])


def run_vector(module, hook, where, relative, strength):
    def added(hidden):
        if not relative:
            return strength * vectors[hook]
        return strength * hidden.norm(dim=-1, keepdim=True) * vectors[hook] / vectors[hook].norm()

    said = {"hook": hook, "where": where, "relative": relative, "strength": strength}
    return said | texts(module, where, added)


@torch.no_grad()
def texts(module, where, added):
    passes = [0]

    def steer(module, args, kwargs):
        hidden = args[0] if args else kwargs["hidden_states"]
        is_prompt = passes[0] == 0
        passes[0] += 1
        if where == "all" or (where == "prompt") == is_prompt:
            hidden = hidden + added(hidden)
        return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})

    handle = model.transformer.get_submodule(module).register_forward_pre_hook(steer, with_kwargs=True)
    ids = torch.tensor([PROMPT])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        eos_token_id=None,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    handle.remove()
    tokens = out.sequences[0, len(PROMPT) :]
    steered = [float(logits[0].log_softmax(-1)[token]) for logits, token in zip(out.logits, tokens)]
    own = model(out.sequences).logits[0, len(PROMPT) - 1 : -1].log_softmax(-1)
    perplexity = float(own[torch.arange(len(tokens)), tokens].mean().neg().exp())
    return {
        "tokens": tokens.tolist(),
        "log_probabilities": steered,
        "perplexity": perplexity,
    }


cases = ",\n".join(f"    {json.dumps(run(*case))}" for case in CASES)
vector_cases = ",\n".join(f"    {json.dumps(run_vector(*case))}" for case in VECTOR_CASES)
(HERE / "steer.json").write_text(
    f'{{\n  "prompt": {json.dumps(PROMPT)},\n  "cases": [\n{cases}\n  ],\n'
    f'  "vector_cases": [\n{vector_cases}\n  ]\n}}\n'
)
