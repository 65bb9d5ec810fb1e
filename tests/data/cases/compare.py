"""How far a case that was made again is from the one on disk."""

import json

from safetensors.torch import load_file

KEYED = ("/rows", "/top", "/ablation")  # by position and feature: the order of almost equal values is rounding's


def differences(got, want, path=""):
    """Every number: where it is, its value, the value on disk. All that is no number has to be the same."""
    if isinstance(want, dict):
        if got.keys() != want.keys():
            raise SystemExit(f"{path}: {sorted(got.keys() ^ want.keys())} on one side only")
        for key in want:
            yield from differences(got[key], want[key], f"{path}/{key}")
    elif isinstance(want, list) and path.endswith(KEYED):
        by_feature = lambda rows: {f"{position},{feature}": values for position, feature, *values in rows}
        yield from differences(by_feature(got), by_feature(want), f"{path}/by feature")
    elif isinstance(want, list):
        if len(got) != len(want):
            raise SystemExit(f"{path}: {len(got)} items, where {len(want)} are on disk")
        for at, (one, other) in enumerate(zip(got, want)):
            yield from differences(one, other, f"{path}/{at}")
    elif isinstance(want, int | float) and not isinstance(want, bool):
        yield path, got, want
    elif got != want:
        raise SystemExit(f"{path}: {got!r}, where {want!r} is on disk")


def compare(case, tensors, path):
    """Prints and gives the largest difference of a number, and of a tensor's element over the tensor's largest."""
    stored = load_file(path.with_suffix(".safetensors"))
    if tensors.keys() != stored.keys():
        raise SystemExit(f"{path.stem}: the tensors {sorted(tensors.keys() ^ stored.keys())} are on one side only")
    largest = lambda tensor: tensor.nan_to_num().abs().max().item()
    apart = [
        (largest(tensors[name] - tensor) / (largest(tensor) or 1), name) for name, tensor in stored.items()
    ]
    (number, where), (tensor, name) = (
        max((abs(got - want), where) for where, got, want in differences(case, json.loads(path.read_text()))),
        max(apart),
    )
    print(f"{path.stem}: numbers {number:.1e} ({where}), tensors {tensor:.1e} of their largest ({name})")
    return number, tensor
