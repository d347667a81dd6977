"""Arranges a recording of TRL's own code for the tests, and prints it as JSON.

    python make.py RECORDING > grpo-peers.json

The recording was made by running the advantage and loss code of TRL 1.13.0's GRPOTrainer on torch 2.13.0+cpu in float64, and taking
dLoss/dPerTokenLogps by autograd. live.ts shows that TRL 1.16.0 computes the same. What verl computes is recorded by record-verl.ts.
"""

import json
import sys

recording = json.load(open(sys.argv[1]))
parts = {
    "meta": "meta",
    "advantages": "trl_advantages",
    "lossInputs": "trl_loss_inputs",
    "losses": "trl_loss",
}
print(json.dumps({name: recording[source] for name, source in parts.items()}, indent=1))
