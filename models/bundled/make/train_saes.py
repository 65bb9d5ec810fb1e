"""Trains the two SAEs with sae_lens's own runner and the transcoder, and writes ../tiny-facts-saes.

sae_lens's runner, trainer, architecture (standard), metadata and file writer. Two things are our
own: the loss (RelativeSAE below), and the iterator that collects the activations once and shuffles
them (BOS excluded, as `exclude_special_tokens` says).
sae_lens 6.54 has no trainer for transcoders, so that one is a plain PyTorch loop with the same
sparsity penalty around its Transcoder class, saved by the class's own writer.
"""
import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from sae_lens import (LanguageModelSAERunnerConfig, LanguageModelSAETrainingRunner, LoggingConfig, StandardTrainingSAE,
                      StandardTrainingSAEConfig, Transcoder, TranscoderConfig)
from sae_lens.saes.sae import SAEMetadata
from safetensors.torch import load_file, save_file

from common import (CONTEXT, SAE_DIR, TRANSCODER, TRANSCODER_IN, TRANSCODER_OUT, activations, collect, load_model,
                    make_tokens)

D_SAE = 1024
BATCH = 1024
# Per hook: coefficient of the sparsity penalty, where it saturates, share of the square in it (in units in which an
# activation has norm sqrt(128)), steps, learning rate, activations collected.
SETTINGS = {"blocks.3.hook_resid_pre": (0.85, 1.2, 0.18, 3600, 1e-3, 220_000),
            "blocks.2.hook_resid_pre": (0.95, 1.2, 0.17, 2600, 1e-3, 220_000),
            TRANSCODER: (0.6, 1.5, 0.03, 1500, 1e-3, 120_000)}


class Shuffled:
    """An endless iterator of shuffled batches, in the place of sae_lens's activations store."""
    exclude_special_tokens = None

    def __init__(self, *tensors, seed=0):
        self.tensors, self.generator, self.order, self.at = tensors, torch.Generator().manual_seed(seed), None, 0

    def __iter__(self):
        return self

    def next_rows(self):
        if self.order is None or self.at + BATCH > len(self.order):
            self.order, self.at = torch.randperm(len(self.tensors[0]), generator=self.generator), 0
        rows = self.order[self.at:self.at + BATCH]
        self.at += BATCH
        return [t[rows] for t in self.tensors]

    def __next__(self):
        return self.next_rows()[0]


def hooked_transformer(model, tokenizer):
    """The same weights as an unprocessed HookedTransformer, which sae_lens's runner asks for."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
    c = model.config
    cfg = HookedTransformerConfig(n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head,
                                  d_head=c.n_embd // c.n_head, d_vocab=c.vocab_size, act_fn="gelu_new",
                                  normalization_type="LN", eps=c.layer_norm_epsilon, model_name="tiny-facts",
                                  default_prepend_bos=True)
    hooked = HookedTransformer(cfg, tokenizer)
    hooked.load_and_process_state_dict(convert_gpt2_weights(model, cfg), fold_ln=False, center_writing_weights=False,
                                       center_unembed=False, fold_value_biases=False)
    return hooked


def penalty(size, saturates_at, square):
    """Sparsity cost of relative sizes: an L1 flattened by tanh, and a small square."""
    return (saturates_at * torch.tanh(size / saturates_at) + square * size.pow(2)).sum(-1)


class RelativeSAE(StandardTrainingSAE):
    """sae_lens's standard SAE with another loss; what is saved is a standard ReLU SAE all the same.

    Everything is counted relative to the norm of the token's activation (the layer norms above see
    nothing else, and the first words of a text have several times the norm of those before an answer).
    Plain L1 also pushes down features that are rightly on (shrinkage) and keeps many that are barely
    on; the tanh does neither. The square keeps one feature from making up most of a token.
    """

    def __init__(self, cfg, shape):
        super().__init__(cfg)
        self.shape = shape
        self.mse_loss_fn = lambda out, x: (out - x).pow(2) * self.cfg.d_in / x.pow(2).sum(-1, keepdim=True)

    def calculate_aux_loss(self, step_input, feature_acts, hidden_pre, sae_out):
        relative = self.cfg.d_in ** 0.5 / step_input.sae_in.norm(dim=-1, keepdim=True)
        size = feature_acts * self.W_dec.norm(dim=1) * relative
        return {"l1_loss": (step_input.coefficients["l1"] * penalty(size, *self.shape)).mean()}


def train_sae(hook, acts, hooked, settings, out):
    l1, saturates_at, square, steps, lr, _ = settings
    torch.manual_seed(7)
    written = tempfile.mkdtemp()
    cfg = LanguageModelSAERunnerConfig(
        sae=StandardTrainingSAEConfig(d_in=128, d_sae=D_SAE, l1_coefficient=l1, l1_warm_up_steps=steps // 10,
                                      normalize_activations="expected_average_only_in"),
        model_name="tiny-facts", hook_name=hook, dataset_path="generated by make/facts.py", is_dataset_tokenized=True,
        context_size=CONTEXT, prepend_bos=True, exclude_special_tokens=True, training_tokens=steps * BATCH,
        train_batch_size_tokens=BATCH, lr=lr, lr_warm_up_steps=200, lr_decay_steps=steps // 3, n_batches_for_norm_estimate=50,
        checkpoint_path=None, output_path=written, logger=LoggingConfig(log_to_wandb=False), seed=7, device="cpu")
    sae = RelativeSAE(StandardTrainingSAEConfig.from_sae_runner_config(cfg), (saturates_at, square))
    runner = LanguageModelSAETrainingRunner(cfg, override_model=hooked, override_sae=sae,
                                            override_dataset=Dataset.from_dict({"tokens": [[0] * CONTEXT]}))
    runner.activations_store = Shuffled(acts, seed=7)
    runner.run()
    finish_files(written, out)


def train_transcoder(x, y, settings, out):
    l1, saturates_at, square, steps, lr, _ = settings
    torch.manual_seed(7)
    scale = 128 ** 0.5 / y.norm(dim=-1).mean()  # the loss is on outputs scaled like sae_lens scales its inputs
    cfg = TranscoderConfig(d_in=128, d_out=128, d_sae=D_SAE, apply_b_dec_to_input=False, metadata=SAEMetadata(
        model_name="tiny-facts", model_class_name="HookedTransformer", hook_name=TRANSCODER_IN, hook_name_out=TRANSCODER_OUT,
        hook_head_index=None, context_size=CONTEXT, prepend_bos=True, seqpos_slice=[None], exclude_special_tokens=True,
        dataset_path="generated by make/facts.py", neuronpedia_id=None,
        model_from_pretrained_kwargs={"center_writing_weights": False}))
    t = Transcoder(cfg)
    with torch.no_grad():
        t.W_dec.data = 0.1 * torch.nn.functional.normalize(t.W_dec.data, dim=1)
        t.W_enc.data = torch.nn.functional.normalize(t.W_enc.data, dim=0) * 0.3
        t.b_dec.data = (y.mean(0) * scale).clone()
    optimizer = torch.optim.Adam(t.parameters(), lr=lr)
    batches, began = Shuffled(x, y, seed=7), time.time()
    for step in range(steps):
        rate = min(1, (step + 1) / 200, max(0.0, (steps - step) / (steps / 3)))
        for g in optimizer.param_groups:
            g["lr"] = lr * rate
        a, b = batches.next_rows()
        b = b * scale
        acts = t.encode(a)
        loss = (t.decode(acts) - b).pow(2).sum(-1).mean()
        sparsity = penalty(acts * t.W_dec.norm(dim=1), saturates_at, square).mean()
        (loss + l1 * min(1, step / (steps / 10)) * sparsity).backward()
        torch.nn.utils.clip_grad_norm_(t.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 500 == 0:
            print("transcoder", step, f"mse {loss.item():.2f} L0 {(acts > 0).float().sum(-1).mean():.1f} {time.time() - began:.0f} s", flush=True)
    with torch.no_grad():
        t.W_dec.data /= scale
        t.b_dec.data /= scale
    written = tempfile.mkdtemp()
    t.save_model(written)
    finish_files(written, out)


def finish_files(written, out):
    """Keeps sae_lens's two files; weights go to half precision under their own names."""
    out.mkdir(parents=True, exist_ok=True)
    weights = load_file(f"{written}/sae_weights.safetensors")
    # Decoder rows to norm 1 (sae_lens's fold_W_dec_norm): the same function, with activations in residual-stream units.
    norms = weights["W_dec"].norm(dim=1)
    weights["W_dec"] = weights["W_dec"] / norms[:, None]
    weights["W_enc"] = weights["W_enc"] * norms
    weights["b_enc"] = weights["b_enc"] * norms
    save_file({k: v.half().contiguous() for k, v in weights.items()}, out / "sae_weights.safetensors")
    cfg = json.load(open(f"{written}/cfg.json"))
    cfg["metadata"].setdefault("neuronpedia_id", None)
    cfg["metadata"]["training_loss"] = "not plain L1: make/train_saes.py"
    (out / "cfg.json").write_text(json.dumps(cfg, indent=1) + "\n")
    (out / "sae_weights.safetensors").chmod(0o644)
    shutil.rmtree(written)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hooks", nargs="*", default=list(SETTINGS))
    parser.add_argument("--out", type=Path, default=SAE_DIR)
    args = parser.parse_args()
    model, tokenizer = load_model()
    hooked = hooked_transformer(model, tokenizer)
    for hook in args.hooks:
        settings = SETTINGS[hook]
        wanted = [TRANSCODER_IN, TRANSCODER_OUT] if hook == TRANSCODER else [hook]
        tokens, mask = make_tokens(tokenizer, settings[-1], seed=21)
        _, cache = hooked.run_with_cache(tokens[:4])  # the two implementations agree
        few = activations(model, tokens[:4], wanted)
        assert all(torch.allclose(cache[h], few[h], atol=2e-3) for h in wanted)
        acts = collect(model, tokens, mask, wanted)
        if hook == TRANSCODER:
            train_transcoder(acts[TRANSCODER_IN], acts[TRANSCODER_OUT], settings, args.out / hook)
        else:
            train_sae(hook, acts[hook], hooked, settings, args.out / hook)


if __name__ == "__main__":
    main()
