"""Has TRL's GRPOTrainer correct for a sampler whose log-probs are not the trainer's, and records its ratios and what it logs.

    pip install -r requirements.txt
    python sampler.py > ../data/sampler-correction.json

No model: the trainer stands as in stand.py. Everything is computed in float64.
"""

import json
import random

import torch
import trl
from stand import Grpo

torch.set_default_dtype(torch.float64)
LENGTHS = [5, 9, 1, 7, 12, 3]
SETTINGS = {
    "accumulationSteps": 1, "stepsPerGeneration": 1, "klImportanceWeight": True, "delta": None, "groupSize": 2, "useOld": False,
    "maskTruncated": False, "beta": 0.0, "lossType": "grpo", "importanceLevel": "token", "epsilon": 0.2, "epsilonHigh": 0.2, "maxLength": 16,
    "scale": "group", "aggregation": "sum_then_normalize", "offPolicyThreshold": None, "topEntropy": 1.0, "entropyCoefficient": 0.0, "weights": [1.0],
    "sapo": {"temperaturePositive": 1.0, "temperatureNegative": 1.05},
    "vespo": {"kPositive": 2.0, "lambdaPositive": 3.0, "kNegative": 3.0, "lambdaNegative": 2.0},
}


def figures(level, outside, spread):
    draw = random.Random(f"{level} {outside} {spread}")
    trained = [[-3 * draw.random() for _ in range(n)] for n in LENGTHS]
    sampled = [[x + draw.gauss(0, spread) for x in row] for row in trained]
    sampler = {"level": level, "outside": outside, "min": None if outside == "mask" else 0.0, "max": 3.0}
    case = {
        "settings": SETTINGS | {"sampler": sampler}, "logProbs": trained, "oldLogProbs": trained, "samplingLogProbs": sampled,
        "entropies": [[0.0] * n for n in LENGTHS], "mask": [[1] * n for n in LENGTHS], "truncated": [False] * len(LENGTHS),
        "rewards": [[draw.random()] for _ in LENGTHS],
    }
    trainer = Grpo.__new__(Grpo).stand(case)
    told = trainer.figures()
    metrics = {name: values[-1] for name, values in trainer._metrics["train"].items() if name.startswith("sampling/")}
    return {
        "correction": {"level": level, "outside": outside, "max": 3}, "trained": trained, "sampled": sampled,
        "advantages": told["advantages"], "loss": told["loss"], "gradient": told["gradient"], "metrics": metrics,
    }


cases = [
    figures(level, outside, spread)
    for level in ("sequence", "token")
    for outside in ("mask", "truncate")
    for spread in (0.05, 0.8)
]
print(json.dumps({"versions": {"torch": torch.__version__.split("+")[0], "trl": trl.__version__}, "cases": cases}, separators=(",", ":")))
