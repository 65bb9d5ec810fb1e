"""Golden cases of the kind `seed`: the notebook's own functions on small models and SAEs.

    pip install -r requirements.txt
    python make.py NOTEBOOK CASE.json...             # writes what is expected into each, and the tensors beside it
    python make.py NOTEBOOK --compare CASE.json...   # makes them again, writes nothing, says how far the figures are

NOTEBOOK is the notebook (.ipynb, or its text). README.md says what a case has to say.
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import torch
from compare import compare
from reference import Adapter, Notebook, activation_margin, load_model, load_sae
from safetensors.torch import save_file
from sae_lens.util import get_special_token_ids

DATA = Path(__file__).resolve().parent.parent
LOADERS = {
    True: "HookedSAETransformer.from_pretrained, default arguments",
    False: "HookedSAETransformer.from_pretrained_no_processing",
}
MODELS = {}


def digits(value, count=9):
    return float(f"{float(value):.{count}g}")


def numbers(values):
    return [digits(value) for value in values]


def open_model(case, dtype):
    kwargs = case.get("processing", {}).get("model_from_pretrained_kwargs")
    key = json.dumps([case["model"], kwargs, str(dtype)])
    if key not in MODELS:
        MODELS[key] = load_model(DATA / case["model"], kwargs, dtype)
    return MODELS[key]


def complete(case, model):
    """What a case leaves out: the defaults, tokens, and what is said of them."""
    tokenizer = model.tokenizer
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
    text = lambda token: tokenizer.decode([token])
    bos = tokenizer.bos_token_id
    prepend = case.setdefault("prepend_bos", model.cfg.default_prepend_bos)
    n_ctx = case.setdefault("n_ctx", model.cfg.n_ctx)
    tokens = ([bos] if prepend else []) + encode(case["prompt"])
    metric = {"position": -1, **case["metric"]} if case["metric"]["kind"] != "loss" else case["metric"]
    for side in ("pos_token", "neg_token"):
        if side in metric:
            token = metric[side] if isinstance(metric[side], int) else encode(metric[side])[0]
            metric.update({side: token, f"{side}_string": text(token)})
    case.setdefault("include_error_term", True)
    case.setdefault("track_hook_points", [])
    case.setdefault("family", Path(case["model"]).name)
    case.setdefault("return_type", "loss" if metric["kind"] == "loss" else "logits")
    case.update(
        oracle="transformer_lens",
        default_prepend_bos=model.cfg.default_prepend_bos,
        bos_token_id=bos,
        tokens=tokens[:n_ctx],
        str_tokens=[text(token) for token in tokens[:n_ctx]],
        metric=metric,
        processing=processing(case, model),
    )
    if case.get("exclude_special_tokens"):
        excluded = case["exclude_special_tokens"]
        ids = sorted(get_special_token_ids(tokenizer)) if excluded is True else excluded
        positions = [at for at, token in enumerate(case["tokens"]) if token in ids]
        case.update(special_token_ids=ids, excluded_positions=positions)


def processing(case, model):
    given = case.get("processing", {})
    kwargs = given.get("model_from_pretrained_kwargs")
    asked = lambda flag: True if kwargs is None else kwargs.get(flag, False)
    capped = (model.cfg.output_logits_soft_cap or 0) > 0
    return {
        "loader": given.get("loader", LOADERS[kwargs is None]),
        **({} if kwargs is None else {"model_from_pretrained_kwargs": kwargs}),
        "fold_ln": model.cfg.normalization_type.endswith("Pre"),
        "normalization_type_after": model.cfg.normalization_type,
        "center_writing_weights": asked("center_writing_weights") and model.cfg.normalization_type.startswith("LN"),
        "center_unembed": asked("center_unembed") and not capped,
        "fold_value_biases": asked("fold_value_biases"),
        "refactor_factored_attn_matrices": False,
    }


def metric_function(case, notebook):
    metric = case["metric"]
    at = metric.get("position")
    match metric["kind"]:
        case "logit_diff" if at == -1:
            return notebook.metric_fn(metric["pos_token"], metric["neg_token"])
        case "logit_diff":
            return lambda logits: logits[0, at, metric["pos_token"]] - logits[0, at, metric["neg_token"]]
        case "logprob":
            return lambda logits: logits[0, at].log_softmax(-1)[metric["pos_token"]]
        case "prob":
            return lambda logits: logits[0, at].softmax(-1)[metric["pos_token"]]
        case "weighted_logits":
            weights = dict(zip(metric["tokens"], metric["weights"], strict=True))
            return lambda logits: sum(weight * logits[0, at, token] for token, weight in weights.items())
        case "loss":
            return lambda loss: loss
    raise SystemExit(f"{case['name']}: a metric of kind {metric['kind']} is not known")


class Run:
    """One run of the notebook's function in one precision."""

    def __init__(self, case, notebook, model, dtype):
        self.case, self.notebook, self.model = case, notebook, model
        model.reset_hooks()
        excluded = torch.zeros(len(case["tokens"]), dtype=torch.bool)
        excluded[case.get("excluded_positions", [])] = True
        self.saes = {}
        for sae in case["saes"]:
            loaded = load_sae(DATA / sae["path"], dtype, sae.get("norm_scaling_factor"))
            self.saes[sae["hook"]] = Adapter(loaded, model, sae.get("hook_in"), excluded)
        self.metric = metric_function(case, notebook)
        at_default = case["prepend_bos"] == model.cfg.default_prepend_bos
        self.input = case["prompt"] if at_default else torch.tensor([case["tokens"]])
        made = model.to_tokens(case["prompt"], prepend_bos=case["prepend_bos"])[0].tolist()
        assert made[: case["n_ctx"]] == case["tokens"], f"{case['name']}: TransformerLens makes the tokens {made}"
        self.attribution = notebook.calculate_feature_attribution(
            model=model,
            input=self.input,
            metric_fn=self.metric,
            track_hook_points=case["track_hook_points"],
            include_saes=self.saes,
            return_logits=case["return_type"] == "logits",
            include_error_term=case["include_error_term"],
        )
        self.caches, self.value = notebook.last.sae_activations, notebook.last.metric.item()

    def last_logits(self):
        output = self.notebook.apply_saes_and_run(
            self.model, self.saes, self.input, include_error_term=self.case["include_error_term"]
        )
        return output.model_output[0, -1]

    def metric_at(self, hook, acts):
        """The metric with these activations instead of the SAE's; the error is that of the clean run."""
        cache = self.caches[hook]
        value = self.saes[hook].decode(acts)
        if self.case["include_error_term"]:
            value = value + cache.sae_error.detach()
        with self.model.hooks(fwd_hooks=[(hook, lambda _, hook: value)]):
            return self.metric(self.model(self.input, return_type=self.case["return_type"]))


def sae_figures(run, double, hook):
    """What is expected of one SAE, and its tensors."""
    attribution, cache = run.attribution, run.caches[hook]
    flat = lambda tensor: tensor.detach()[0].flatten(1)
    attributions = attribution.sae_feature_attributions[hook][0]
    acts, grads = attribution.sae_feature_activations[hook][0], attribution.sae_feature_grads[hook][0]
    grad = cache.sae_out.grad
    with_grad = lambda tensor: (flat(grad) * flat(tensor)).sum(-1)
    sums = attributions.sum(-1)
    rows = [[*at, digits(attributions[*at])] for at in attributions.nonzero().tolist()]
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    exact, at = double.caches[hook], double.saes[hook]
    included = (~at.excluded[0, :, 0]).nonzero()[:, 0]
    source = exact.sae_in if at.hook_in is None else at.read
    figures = {
        "completeness": {
            "sum_attr": numbers(sums),
            "g_dot_bias": numbers(with_grad(cache.sae_out) - sums),
            "g_dot_err": numbers(with_grad(cache.sae_error)),
            "g_dot_x": numbers(with_grad(cache.sae_in)),
        },
        "sum": digits(attributions.sum()),
        "nonzero_count": len(rows),
        "active_count": int((acts != 0).sum()),
        "sae_errors_attribution_proportion": digits(attribution.sae_errors_attribution_proportion[hook]),
        "activation_margin": digits(activation_margin(at.sae, source.detach(), included)),
        "rows": rows,
    }
    tensors = {
        "sae_in": cache.sae_in,
        "sae_out": cache.sae_out,
        "sae_error": cache.sae_error,
        "grad_sae_out": grad,
        **({} if run.saes[hook].hook_in is None else {"transcoder_in": run.saes[hook].read}),
    }
    own = {"feature_acts": acts, "feature_grads": grads, "attributions": attributions}
    return figures, {**{name: tensor[0] for name, tensor in tensors.items()}, **own}


def extra_figures(double):
    """Ablations and integrated gradients of a case with one SAE, in float64."""
    [hook] = double.saes
    acts = double.attribution.sae_feature_activations[hook].detach()
    attributions = double.attribution.sae_feature_attributions[hook][0]
    strongest = lambda values: [divmod(at, acts.shape[-1]) for at in values.abs().flatten().topk(20).indices.tolist()]
    ablation = []
    with torch.no_grad():
        metric = double.metric_at(hook, acts).item()
        zero = double.metric_at(hook, torch.zeros_like(acts)).item()
        for position, feature in strongest(attributions):
            without = acts.clone()
            without[0, position, feature] = 0
            effect = metric - double.metric_at(hook, without).item()
            ablation.append([position, feature, digits(attributions[position, feature]), digits(effect)])
    integrated, tensors = {"metric_at_actual": digits(metric), "metric_at_zero": digits(zero)}, {}
    for count in (16, 128):
        for rule, points in (("trapezoid", range(count + 1)), ("midpoint", range(count))):
            total = torch.zeros_like(acts[0])
            for i in points:
                at = ((i if rule == "trapezoid" else i + 0.5) / count * acts).requires_grad_()
                [grad] = torch.autograd.grad(double.metric_at(hook, at), at)
                total += grad[0] * (0.5 if rule == "trapezoid" and i in (0, count) else 1) / count
            values = acts[0] * total
            tensors[f"extra/ig_{rule}_{count}"] = values
            integrated[f"{rule}_{count}"] = {
                "sum": digits(values.sum()),
                "sum_per_position": numbers(values.sum(-1)),
                "top": [[*at, digits(values[*at])] for at in strongest(values)],
            }
    figures = {"dtype": "float64", "hook": hook, "metric": digits(metric), "ablation": ablation}
    return {**figures, "integrated_gradients": integrated}, tensors


def next_tokens(case, notebook, model):
    model.reset_hooks()
    table = notebook.test_prompt_pandas(case["prompt"], model, prepend_bos=case["prepend_bos"])
    logits = model(torch.tensor([case["tokens"]]))[0, -1]
    ids = logits.softmax(-1).topk(len(table)).indices.tolist()
    columns = zip(ids, table["token"], table["rank"], table["logit"], table["probability"], strict=True)
    return [
        {"id": id, "token": token, "rank": int(rank), "logit": digits(logit), "probability": digits(probability)}
        for id, token, rank, logit, probability in columns
    ]


def make(case, notebook):
    """A case with what is expected, and its tensors."""
    model, double = (open_model(case, dtype) for dtype in (torch.float32, torch.float64))
    wants_extra = case.pop("extra", False) or "extra" in case.pop("expected", {})
    complete(case, model)
    run = Run(case, notebook, model, "float32")
    double = Run(case, notebook, double, "float64")
    tensors = {"logits": run.last_logits()}
    found, attribution = {}, run.attribution
    for sae in case["saes"]:
        hook, loaded = sae["hook"], run.saes[sae["hook"]].sae
        sae.update(architecture=loaded.cfg.architecture(), d_sae=loaded.cfg.d_sae)
        sae.setdefault("layout", "v6")
        found[hook], own = sae_figures(run, double, hook)
        tensors.update({f"{hook}/{name}": tensor for name, tensor in own.items()})
    for hook in case["track_hook_points"]:
        tensors[f"{hook}/activation"] = attribution.model_activations[hook][0]
        tensors[f"{hook}/grad"] = attribution.model_grads[hook][0]
        tensors[f"{hook}/attribution"] = attribution.model_attributions[hook][0]
    metrics = {"metric": digits(run.value), "metric_float64": double.value}
    case["expected"] = {**metrics, "next_tokens": next_tokens(case, notebook, model), "saes": found}
    if wants_extra:
        case["expected"]["extra"], own = extra_figures(double)
        tensors.update(own)
    return case, {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook")
    parser.add_argument("cases", nargs="+", type=Path)
    parser.add_argument("--compare", action="store_true", help="write nothing, say how far the figures are")
    args = parser.parse_args()
    for package, pinned in (line.split("==") for line in (DATA / "cases/requirements.txt").read_text().split()):
        if version(package).split("+")[0] != pinned:
            raise SystemExit(f"{package} is {version(package)}: install {pinned} (requirements.txt)")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    notebook, worst = Notebook(args.notebook), []
    for path in args.cases:
        if json.loads(path.read_text()).get("kind", "seed") != "seed":
            continue
        case, tensors = make({"name": path.stem, **json.loads(path.read_text())}, notebook)
        if args.compare:
            worst.append(compare(case, tensors, path))
        else:
            path.write_text(json.dumps(case, ensure_ascii=False, separators=(",", ":")))
            save_file(tensors, path.with_suffix(".safetensors"))
            print(f"wrote {path} and {path.with_suffix('.safetensors').name}")
    if worst:
        number, tensor = map(max, zip(*worst))
        print(f"{len(worst)} cases: numbers differ by at most {number:.1e}, tensors by {tensor:.1e} of their largest")


if __name__ == "__main__":
    main()
