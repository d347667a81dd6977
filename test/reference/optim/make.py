"""Prints what torch.optim.AdamW, torch.nn.utils.clip_grad_norm_ and transformers' schedules do, as JSON.

    python make.py > optim-peers.json
"""

import json

import torch
import transformers
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

STEPS = 12
SHAPES = {"layer.weight": (4, 3), "layer.bias": (4,), "norm.weight": (5,)}
torch.manual_seed(7)
initial = {name: torch.randn(shape) for name, shape in SHAPES.items()}
gradients = [{name: torch.randn(shape) * 10 ** (i % 3 - 1) for name, shape in SHAPES.items()} for i in range(STEPS)]
rates = [0.003 * (1 - i / STEPS) for i in range(STEPS)]


def flat(tensors):
    return {name: tensor.detach().flatten().tolist() for name, tensor in tensors.items()}


def adamw(weight_decay, betas, eps, decays, max_norm, factors=None):
    params = {name: tensor.clone().requires_grad_() for name, tensor in initial.items()}
    factors = factors or dict.fromkeys(SHAPES, 1.0)
    groups = [
        {"params": [p], "weight_decay": weight_decay if decays(n) else 0.0, "factor": factors[n]}
        for n, p in params.items()
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=eps)
    norms, after = [], []
    for rate, gradient in zip(rates, gradients):
        for name, param in params.items():
            param.grad = gradient[name].clone()
        if max_norm is not None:
            norms.append(torch.nn.utils.clip_grad_norm_(params.values(), max_norm).item())
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        optimizer.step()
        after.append(flat(params))
    state = {name: optimizer.state[param] for name, param in params.items()}
    return {
        "weightDecay": weight_decay,
        "betas": betas,
        "eps": eps,
        "decaying": [n for n in SHAPES if decays(n)],
        "maxNorm": max_norm,
        "factors": factors,
        "norms": norms,
        "params": after,
        "expAvg": flat({n: s["exp_avg"] for n, s in state.items()}),
        "expAvgSq": flat({n: s["exp_avg_sq"] for n, s in state.items()}),
    }


def clipped(max_norm):
    tensors = {name: torch.nn.Parameter(torch.zeros(shape)) for name, shape in SHAPES.items()}
    for name, param in tensors.items():
        param.grad = gradients[2][name].clone()
    norm = torch.nn.utils.clip_grad_norm_(tensors.values(), max_norm).item()
    return {"maxNorm": max_norm, "norm": norm, "gradients": flat({n: p.grad for n, p in tensors.items()})}


def schedule(make, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2e-5)
    scheduler = make(optimizer, **options)
    rates = []
    for _ in range(24):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def everything(name):
    return True


print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__},
            "initial": flat(initial),
            "gradients": [flat(g) for g in gradients],
            "learningRates": rates,
            "adamw": [
                adamw(0.01, (0.9, 0.999), 1e-8, everything, None),
                adamw(0.1, (0.9, 0.95), 1e-6, everything, 1.0),
                adamw(0.1, (0.9, 0.999), 1e-8, lambda name: name == "layer.weight", None),
                adamw(0.0, (0.0, 0.5), 1e-8, everything, None),
                adamw(
                    0.1, (0.9, 0.999), 1e-8, everything, 1.0, {"layer.weight": 1.0, "layer.bias": 16.0, "norm.weight": 0.0}
                ),
            ],
            "clip": [clipped(1.0), clipped(1000.0)],
            "schedules": {
                "learningRate": 2e-5,
                "warmupSteps": 4,
                "totalSteps": 20,
                "constant": schedule(get_constant_schedule_with_warmup, num_warmup_steps=4),
                "linear": schedule(get_linear_schedule_with_warmup, num_warmup_steps=4, num_training_steps=20),
                "cosine": schedule(get_cosine_schedule_with_warmup, num_warmup_steps=4, num_training_steps=20),
                "linearWithoutWarmup": schedule(
                    get_linear_schedule_with_warmup, num_warmup_steps=0, num_training_steps=20
                ),
            },
        }
    )
)
