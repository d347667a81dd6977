"""Steps of PyTorch's fused AdamW, timed. Called by adamw.ts with the work as JSON; a step for each line read."""

import json
import sys
import time
from pathlib import Path

import torch

work = json.loads(Path(sys.argv[1]).read_text())
torch.set_num_threads(work["threads"])
torch.set_flush_denormal(True)


def optimiser(size: int) -> torch.optim.AdamW:
    params = [torch.nn.Parameter(torch.rand(size // work["tensors"]) - 0.5) for _ in range(work["tensors"])]
    for param in params:
        param.grad = torch.rand_like(param) - 0.5
    return torch.optim.AdamW(params, lr=1e-5, weight_decay=0.1, fused=True)


optimisers = {size: optimiser(size) for size in work["sizes"]}
print(json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    adamw = optimisers[json.loads(line)["size"]]
    start = time.perf_counter()
    adamw.step()
    print(json.dumps({"ms": 1000 * (time.perf_counter() - start)}), flush=True)
