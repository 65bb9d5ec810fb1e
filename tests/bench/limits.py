"""What this machine can do at most, as far as PyTorch finds out: reading memory, and multiplying matrices in float32.

    python limits.py        (needs torch, numpy; 2 GB of memory)

Prints one JSON line: the best of several runs each, in bytes and floating-point operations per second, and versions.
"""
import importlib.metadata, json, platform, time
import torch

BUFFER_BYTES, SIZE, RUNS = 512 * 2**20, 3072, 8
PACKAGES = ["torch", "numpy", "transformers", "safetensors", "sae-lens", "transformer-lens", "pandas"]


def best(run):
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter(); run(); seconds.append(time.perf_counter() - start)
    return min(seconds)


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


a, b = torch.ones(BUFFER_BYTES // 4), torch.ones(BUFFER_BYTES // 4)
reading = {"sum": BUFFER_BYTES / best(lambda: a.sum()),
           "dot": 2 * BUFFER_BYTES / best(lambda: torch.dot(a, b)),
           "copy": 2 * BUFFER_BYTES / best(lambda: b.copy_(a))}
x, y, z = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE), torch.empty(SIZE, SIZE)
nx, ny = x.numpy(), y.numpy()
operations = 2 * SIZE**3
multiplying = {"torch": operations / best(lambda: torch.mm(x, y, out=z)), "numpy": operations / best(lambda: nx @ ny)}
print(json.dumps({"bytes_per_second": reading, "operations_per_second": multiplying, "threads": torch.get_num_threads(),
                  "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}}}))
