"""The loss of TRL's GRPOTrainer and its gradient by the log-probs, timed. Called by grpo.ts with the work as JSON and the rows as
safetensors; once for each line read."""

import json
import sys
import time
from pathlib import Path

import torch
import trl
from safetensors.torch import load_file

sys.path.append(str(Path(__file__).parents[2] / "test/reference/grpo"))
from stand import Grpo  # noqa: E402

work = json.loads(Path(sys.argv[1]).read_text())
arrays = load_file(sys.argv[2])
torch.set_num_threads(work["threads"])


def trainer_of(case: dict, rows: dict) -> tuple[Grpo, dict]:
    trainer = Grpo.__new__(Grpo).stand(case)
    trainer.log_probs = rows["logProbs"].requires_grad_()
    trainer.case = case | {"entropies": None}
    # Entropy is a metric here, and none of the work.
    zeros = torch.zeros_like(rows["mask"])
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (trainer.log_probs, zeros, None)
    ids = torch.ones_like(rows["mask"], dtype=torch.long)
    return trainer, dict(
        prompt_ids=ids[:, :1], prompt_mask=ids[:, :1], completion_ids=ids, completion_mask=rows["mask"],
        advantages=rows["advantages"], old_per_token_logps=rows["oldLogProbs"], ref_per_token_logps=rows["refLogProbs"],
        num_items_in_batch=rows["mask"].sum(),
    )


trainers = [
    {dtype: trainer_of(case, {name: rows.to(getattr(torch, dtype)) for name, rows in arrays.items()}) for dtype in ("float64", "float32")}
    for case in work["cases"]
]
print(json.dumps({"torch": torch.__version__, "trl": trl.__version__}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    trainer, inputs = trainers[request["case"]][request["dtype"]]
    start = time.perf_counter()
    loss = trainer._compute_loss(trainer.model, inputs)
    torch.autograd.grad(loss, trainer.log_probs)
    print(json.dumps({"ms": 1000 * (time.perf_counter() - start), "loss": loss.item()}), flush=True)
