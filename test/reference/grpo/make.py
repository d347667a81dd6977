"""Picks from a full recording of TRL's own code the cases this library covers, and prints them as JSON.

    python make.py RECORDING > grpo-peers.json

The recording was made by running TRL 1.13.0's GRPOTrainer loss and advantage code on torch 2.13.0+cpu in float64, and taking
dLoss/dPerTokenLogps by autograd. Left out: entropy masking and bonus, off-policy masking, sampler correction, verl.
"""

import json
import sys

recording = json.load(open(sys.argv[1]))
inputs = recording["trl_loss_inputs"]
covered = [
    case
    for case in recording["trl_loss"]
    if case["config"]["topEnt"] == 1.0
    and case["config"]["offMask"] is None
    and case["config"]["entCoef"] == 0.0
    and not case["config"]["useVllm"]
]
for case in covered:
    for key in ("topEnt", "offMask", "entCoef", "useVllm"):
        del case["config"][key]
    case["metrics"].pop("entropy")

print(
    json.dumps(
        {
            "meta": recording["meta"],
            "advantages": recording["trl_advantages"],
            "lossInputs": {key: inputs[key] for key in ("logps", "oldLogps", "refLogps", "mask", "advantages")},
            "losses": covered,
        },
        indent=1,
    )
)
