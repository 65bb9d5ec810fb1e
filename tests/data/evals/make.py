"""SAELens's own evaluation of SAEs on fixed texts: expected.json, and the SAE one_head, beside this script.

Run with sae-lens 6.54.12 and transformer-lens 3.9.0: python make.py
"""

import json
from pathlib import Path

import torch
from sae_lens import SAE
from sae_lens.evals import ExplainedVarianceCalculator, get_eval_everything_config, run_evals
from sae_lens.saes.standard_sae import StandardSAE, StandardSAEConfig
from sae_lens.training.activation_scaler import ActivationScaler
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import AutoTokenizer, GPT2LMHeadModel

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FLAGS = ["fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases"]

FACTS = [
    " Tiger Woods plays the sport of golf. The capital of France is Paris.",
    " Cairo is the capital of Egypt. The color of a banana is yellow.",
    " Serena Williams is famous for tennis. The keys to the cabinet are here.",
    " When Mary and John went to the store, John gave a drink to Mary.",
]
GOLF = [
    " Tiger Woods plays the sport of golf, and Roger Federer plays tennis.",
    " Michael Jordan plays the sport of basketball. Who swims in the pool?",
    " The capital of France is Paris, and the capital of Italy is Rome.",
    " Some of the words in this text are cut into pieces, others are not.",
    " 1 + 1 = 2, and 2 + 2 = 4; nothing more is said about numbers here.",
    " When Mary and John went to the store, John gave a drink to Mary.",
]
TINY, GPT2 = "models/bundled/tiny-facts", "tests/data/models/gpt2"
# name, model, SAE, texts, tokens per prompt, prompts per batch, special tokens left out
CASES = [
    ("resid_pre 3", TINY, "models/bundled/tiny-facts-saes/blocks.3.hook_resid_pre", FACTS, 14, 4, True),
    ("resid_pre 2", TINY, "models/bundled/tiny-facts-saes/blocks.2.hook_resid_pre", FACTS, 14, 4, True),
    ("resid_pre 2, all tokens", TINY, "models/bundled/tiny-facts-saes/blocks.2.hook_resid_pre", FACTS, 14, 4, False),
    ("transcoder", TINY, "models/bundled/tiny-facts-saes/blocks.2.hook_mlp_out", FACTS, 14, 4, True),
    ("processed", GPT2, "tests/data/saes/g-std-pre2", GOLF, 24, 6, True),
    ("processed, three batches", GPT2, "tests/data/saes/g-std-pre2", GOLF, 24, 2, True),
    ("processed, layer_norm", GPT2, "tests/data/saes/g-std-mlp1-ln", GOLF, 24, 6, True),
    ("processed, topk", GPT2, "tests/data/saes/g-topk-pre1", GOLF, 24, 6, False),
    ("processed, gated", GPT2, "tests/data/saes/g-gated-attn2", GOLF, 24, 6, True),
    ("processed, one head", GPT2, "tests/data/evals/one_head", GOLF, 24, 6, True),
    ("unprocessed, hook_z", GPT2, "tests/data/saes/np-std-z1", GOLF, 24, 6, True),
]


def make_one_head():
    """A random SAE of head 1 at blocks.1.attn.hook_z."""
    torch.manual_seed(0)
    config = StandardSAEConfig(d_in=8, d_sae=24)
    config.metadata.model_name = "gpt2"
    config.metadata.hook_name = "blocks.1.attn.hook_z"
    config.metadata.hook_head_index = 1
    config.metadata.prepend_bos = True
    sae = StandardSAE(config)
    with torch.no_grad():
        sae.W_dec.copy_(torch.nn.functional.normalize(torch.randn(24, 8), dim=-1))
        sae.W_enc.copy_(sae.W_dec.T)
        sae.b_enc.copy_(-0.3 - 0.2 * torch.rand(24))
        sae.b_dec.copy_(0.1 * torch.randn(8))
    sae.save_model(HERE / "one_head")


def load_model(directory, kwargs):
    """As SAELens loads it: without processing but for what the SAE's metadata say; TransformerLens's defaults
    if they say nothing."""
    gpt2 = GPT2LMHeadModel.from_pretrained(ROOT / directory).float().eval()
    c = gpt2.config
    config = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head, d_head=c.n_embd // c.n_head,
        d_mlp=c.n_inner or 4 * c.n_embd, d_vocab=c.vocab_size, act_fn=c.activation_function, eps=c.layer_norm_epsilon,
        normalization_type="LN", scale_attn_by_inverse_layer_idx=c.scale_attn_by_inverse_layer_idx, device="cpu")
    model = HookedTransformer(config)
    flags = {name: True if kwargs is None else kwargs.get(name, False) for name in FLAGS}
    model.load_and_process_state_dict(
        convert_gpt2_weights(gpt2, config), **flags, refactor_factored_attn_matrices=False)
    model.tokenizer = AutoTokenizer.from_pretrained(ROOT / directory)
    return model.eval(), flags


class Store:
    """Gives out batches of tokens as an ActivationsStore does."""

    def __init__(self, tokens, batch_size):
        self.batches = tokens.split(batch_size)
        self.context_size = tokens.shape[1]
        self.store_batch_size_prompts = batch_size
        self.reset_input_dataset()

    def reset_input_dataset(self):
        self.next = 0

    def get_batch_tokens(self, _):
        self.next += 1
        return self.batches[self.next - 1]


@torch.no_grad()
def transcoder_figures(sae, model, tokens, ignored):
    """run_evals compares a transcoder's output with what it reads: here it is what it writes, by the same formula."""
    hook_in, hook_out = sae.cfg.metadata.hook_name, sae.cfg.metadata.hook_name_out
    _, cache = model.run_with_cache(tokens, names_filter=[hook_in, hook_out])
    kept = tokens != ignored
    acts = sae.encode(cache[hook_in])
    variance = ExplainedVarianceCalculator()
    variance.add_batch(sae.decode(acts)[kept], cache[hook_out][kept])
    l0 = (acts[kept] != 0).sum(-1).float().mean().item()
    return {"reconstruction_quality": {"explained_variance": variance.compute()}, "sparsity": {"l0": l0}}


def main():
    make_one_head()
    cases = []
    for name, model_path, sae_path, texts, length, batch_size, exclude in CASES:
        sae = SAE.load_from_disk(ROOT / sae_path)
        kwargs = json.loads((ROOT / sae_path / "cfg.json").read_text())["metadata"].get("model_from_pretrained_kwargs")
        model, flags = load_model(model_path, kwargs)
        bos = model.tokenizer.bos_token_id
        tokens = torch.tensor(
            [[bos] + model.tokenizer(text, add_special_tokens=False).input_ids[:length - 1] for text in texts])
        if "transcoder" in name:
            expected = transcoder_figures(sae, model, tokens, bos)
        else:
            config = get_eval_everything_config(
                n_eval_reconstruction_batches=len(texts) // batch_size,
                n_eval_sparsity_variance_batches=len(texts) // batch_size)
            metrics, features = run_evals(
                sae, Store(tokens, batch_size), model, ActivationScaler(), config, exclude_special_tokens=exclude)
            # NaN, of a feature that is never active, is no JSON.
            heuristic = [None if x != x else x for x in features["consistent_activation_heuristic"]]
            expected = {**metrics, "feature_density": features["feature_density"],
                        "consistent_activation_heuristic": heuristic}
        cases.append({
            "name": name, "model": model_path, "sae": sae_path, "texts": texts, "tokens": tokens.tolist(),
            "batch_size": batch_size, "exclude_special_tokens": exclude, "processing": flags, "expected": expected})
    (HERE / "expected.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
