"""transformers' greedy generation for tests/bench/generate.ts: every line of standard input is one run.

A line is `PROMPT_TOKENS NEW_TOKENS`; the answer is `FIRST_SECONDS REST_SECONDS`.
"""

import sys
import time

import torch
from transformers import AutoModelForCausalLM

directory, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
print("ready", flush=True)


class Clock:
    """Notes when tokens come."""

    def put(self, value):
        self.times.append(time.perf_counter())

    def end(self):
        pass


with torch.inference_mode():
    for line in sys.stdin:
        n, new = map(int, line.split())
        ids = torch.arange(100, 100 + n).reshape(1, n)
        clock = Clock()
        clock.times = []
        start = time.perf_counter()
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=new,
            eos_token_id=None,
            pad_token_id=0,
            streamer=clock,
        )
        _, first, *rest = clock.times  # the prompt comes first
        print(first - start, rest[-1] - first, flush=True)
