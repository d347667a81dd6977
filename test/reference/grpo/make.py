"""Arranges a recording of TRL's and verl's own code for the tests, and prints it as JSON.

    python make.py RECORDING > grpo-peers.json

The recording was made by running the advantage and loss code of TRL 1.13.0's GRPOTrainer and of verl's core_algos.py on torch
2.13.0+cpu in float64, and taking dLoss/dPerTokenLogps by autograd. It names no version of verl: one that has sapo and cispo, which
0.6.1 has not, and divides seq-mean-token-sum-norm by the width alone, which 0.7.1 does not, so 0.7.0. kl_cov ran with kl_cov_ratio
0.2 and ppo_kl_coef 0.1.
"""

import json
import sys

recording = json.load(open(sys.argv[1]))
parts = {
    "meta": "meta",
    "advantages": "trl_advantages",
    "lossInputs": "trl_loss_inputs",
    "losses": "trl_loss",
    "verlAdvantages": "verl_advantages",
    "verlLosses": "verl_loss",
    "verlKl": "verl_kl",
}
print(json.dumps({name: recording[source] for name, source in parts.items()}, indent=1))
