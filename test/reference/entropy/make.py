"""Has TRL compute log-probs and entropies of the tiny Qwen2-VL at a temperature, and PyTorch the gradient of a weighted sum of both.

    pip install -r ../requirements.txt
    python make.py ../data/qwen2-vl-tiny > ../data/entropy.json

Per case: `entropies` by `trl.trainer.utils.entropy_from_logits`, `logProbs` by `selective_log_softmax`, and for every parameter the norm and the first
numbers of ∂(Σ c·logProbs + Σ e·entropies)/∂θ; c and e are in the file. Everything is computed in float64.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
import trl
from trl.trainer.utils import entropy_from_logits, selective_log_softmax

sys.path.insert(0, str(Path(__file__).parent.parent / "trajectory"))
from make import Replay, canonical  # noqa: E402

torch.set_default_dtype(torch.float64)
TEMPERATURE, SHOWN = 0.7, 12


def main(data: Path) -> None:
    told = Replay(data)
    cases = [figures(told, i, case) for i, case in enumerate(told.cases)]
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "trl": trl.__version__}
    print(json.dumps({"versions": versions, "temperature": TEMPERATURE, "cases": cases}, separators=(",", ":")))


def figures(told, i, case):
    model = told.model()
    ids, completion = case["ids"], case["completionIds"]
    tokens = torch.tensor([ids + completion])
    kinds = (tokens == model.config.image_token_id).int()
    logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), mm_token_type_ids=kinds, **told.pictures[i]).logits
    scaled = logits[:, len(ids) - 1 : -1] / TEMPERATURE
    log_probs = selective_log_softmax(scaled, torch.tensor([completion]))[0]
    entropies = entropy_from_logits(scaled)[0]
    t = torch.arange(len(completion), dtype=torch.float64)
    by_log_prob, by_entropy = torch.cos(t), torch.sin(2 * t + 1)
    (by_log_prob @ log_probs + by_entropy @ entropies).backward()
    gradient = {
        canonical(name): {"norm": parameter.grad.norm().item(), "first": parameter.grad.flatten()[:SHOWN].tolist()}
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return {
        "name": case["name"], "logProbs": log_probs.tolist(), "entropies": entropies.tolist(),
        "byLogProb": by_log_prob.tolist(), "byEntropy": by_entropy.tolist(), "gradient": gradient,
    }


main(Path(sys.argv[1]))
