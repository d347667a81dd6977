"""Has TRL's own trainers score completions: advantages, loss and dLoss/dPerTokenLogps of each case, in float64.

    python live.py CASES

CASES is a JSON file with a list of cases (see live.ts); the figures are printed as JSON.
"""

import json
import sys
from pathlib import Path

import torch
from stand import Grpo, Rloo

torch.set_default_dtype(torch.float64)
trainers = {"grpo": Grpo, "rloo": Rloo}
cases = json.loads(Path(sys.argv[1]).read_text())
print(json.dumps([(kind := trainers[case["trainer"]]).__new__(kind).stand(case).figures() for case in cases]))
