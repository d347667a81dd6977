"""Trains the tiny Qwen2-VL for 20 steps in three ways with PyTorch, and records where every parameter has gone.

    pip install -r ../requirements.txt
    python make.py ../data/qwen2-vl-tiny ../data/trajectory float16

Everything is computed in float64: PyTorch's own float32 ends several times as far from it as the trainer does. The gradient is autograd's; then torch's clip_grad_norm_ and AdamW, at the rates of transformers' cosine schedule with warm-up.

- `sft`: cross-entropy, the mean over a step's tokens, in two micro-batches.
- `grpo`: TRL's _compute_loss with its defaults on new rollouts each step.
- `grpo-reused`: the same with lossType "grpo" and KL to the initial policy, each batch of rollouts for two steps.

`plan.json` holds settings, completions and rewards, and each step's loss and gradient norm; `<way>.safetensors` how far each parameter has
moved, in the number type asked for.
"""

import copy
import json
import random
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Qwen2VLForConditionalGeneration, get_cosine_schedule_with_warmup
from transformers.image_utils import load_image
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

sys.path.insert(0, str(Path(__file__).parent.parent / "grpo"))
from stand import Grpo, rows  # noqa: E402

torch.set_default_dtype(torch.float64)
STEPS, GROUP = 20, 4
SETTINGS = {"maxNorm": 1.0, "weightDecay": 0.1, "warmupSteps": 4, "totalSteps": STEPS + 4, "groupSize": GROUP, "microBatch": 2}
WAYS = {
    "sft": {"seed": "sft", "learningRate": 5e-4},
    "grpo": {"seed": "grpo", "learningRate": 5e-4, "lossType": "dapo", "beta": 0.0},
    "grpo-reused": {"seed": "grpo-reused 2", "learningRate": 5e-4, "lossType": "grpo", "beta": 0.04},
}
# The gradient jumps at the edge of clipping: a ratio so near to it that float32 falls on the other side says nothing about the code.
EPSILON, NEAREST = 0.2, 2e-4


def main(data: Path, out: Path, dtype: torch.dtype) -> None:
    out.mkdir(parents=True, exist_ok=True)
    told = Replay(data)
    plan = {"settings": SETTINGS, "ways": {}}
    for way, settings in WAYS.items():
        plan["ways"][way], moved = train(told, way, settings)
        save_file({name: change.to(dtype).contiguous() for name, change in moved.items()}, out / f"{way}.safetensors")
    (out / "plan.json").write_text(json.dumps(plan, separators=(",", ":")) + "\n")


def train(told, way, settings):
    model = told.model()
    initial = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learningRate"], weight_decay=SETTINGS["weightDecay"])
    schedule = get_cosine_schedule_with_warmup(optimizer, SETTINGS["warmupSteps"], SETTINGS["totalSteps"])
    # The first rate of a warm-up is 0, and such a step teaches nothing.
    optimizer.step(), schedule.step()
    draw = random.Random(settings["seed"])
    pool = [told.row(draw, i % 3) for i in range(9)]
    steps, scorer = [], None
    for step in range(STEPS):
        if way == "sft":
            batch = {"rows": [pool[0]] + draw.sample(pool[1:], 3)}
            loss = cross_entropy(told, model, batch["rows"])
        else:
            if step % 2 == 0 or way == "grpo":
                # A picture in every batch: PyTorch neither decays nor moves what has no gradient at all.
                cases = [draw.randrange(2)] * GROUP + [draw.randrange(3)] * GROUP
                batch = {"rows": [told.row(draw, case) for case in cases], "rewards": [round(draw.random(), 2) for _ in cases]}
                if step % 6 == 0:
                    batch["rewards"][GROUP:] = [0.5] * GROUP
                scorer = Trl.__new__(Trl).prepare(told, model, initial, batch, settings, way)
            loss = scorer.backward()
            if (nearest := scorer.nearest_to_clipping()) < NEAREST:
                raise SystemExit(f"{way}, step {step}: a ratio lies {nearest:.1e} from where clipping begins; take another seed")
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS["maxNorm"])
        steps.append(batch | {"learningRate": optimizer.param_groups[0]["lr"], "loss": float(loss), "gradNorm": float(norm)})
        optimizer.step(), schedule.step(), optimizer.zero_grad()
    start = dict(initial.named_parameters())
    moved = {canonical(n): p.detach() - start[n].detach() for n, p in model.named_parameters()}
    return settings | {"steps": steps}, moved


def cross_entropy(told, model, batch):
    tokens = sum(len(row["completion"]) for row in batch)
    total = 0.0
    for start in range(0, len(batch), SETTINGS["microBatch"]):
        loss = -sum(told.log_probs(model, row).sum() for row in batch[start : start + SETTINGS["microBatch"]]) / tokens
        loss.backward()
        total += float(loss.detach())
    return total


class Trl(Grpo):
    """TRL's trainer, whose log-probs are those of the model that is being trained."""

    def prepare(self, told, model, initial, batch, settings, way):
        self.told, self.batch, self.trained, self.initial = told, batch["rows"], model, initial
        nothing = [[0.0] * len(row["completion"]) for row in self.batch]
        case = {
            "settings": {
                "accumulationSteps": 1, "stepsPerGeneration": 1, "klImportanceWeight": True, "delta": None, "groupSize": GROUP,
                "useOld": way == "grpo-reused", "maskTruncated": False, "beta": settings["beta"], "lossType": settings["lossType"],
                "importanceLevel": "token", "epsilon": EPSILON, "epsilonHigh": EPSILON, "maxLength": 16, "scale": "group",
                "aggregation": "sum_then_normalize", "offPolicyThreshold": None, "topEntropy": 1.0, "entropyCoefficient": 0.0,
                "sampler": None, "weights": [1.0],
            },
            "logProbs": nothing, "samplingLogProbs": nothing, "truncated": [False] * len(nothing),
            "mask": [[1] * len(row) for row in nothing], "rewards": [[reward] for reward in batch["rewards"]],
        }
        self.stand(case)
        with torch.no_grad():
            self.inputs = self._generate_and_score_completions([{"prompt": ""}] * len(nothing))
        return self

    def _get_per_token_logps_and_entropies(self, model, *_, **__):
        of = self.initial if model is self.ref_model else self.trained
        scored = torch.nn.utils.rnn.pad_sequence([self.told.log_probs(of, row) for row in self.batch], batch_first=True)
        # TRL writes down only the mean of the entropies.
        return scored, torch.zeros_like(scored), None

    def _calculate_rewards(self, *_):
        return rows(self.case["rewards"])

    def backward(self):
        loss = self._compute_loss(self.model, self.inputs)
        loss.backward()
        return loss.detach()

    def nearest_to_clipping(self):
        old = self.inputs.get("old_per_token_logps")
        if old is None:
            return EPSILON
        with torch.no_grad():
            ratio = torch.exp(self._get_per_token_logps_and_entropies(self.trained)[0] - old)
        return float(((ratio - 1).abs() - EPSILON).abs().min())


class Replay:
    """The recorded prompts, and log-probs of completions after them."""

    def __init__(self, data: Path):
        self.checkpoint = data / "checkpoint"
        self.cases = json.loads((data / "cases.json").read_text())["cases"]
        processor = Qwen2VLImageProcessor.from_pretrained(self.checkpoint)
        self.pictures = [
            dict(processor(images=[load_image(str(data / "images" / file)) for file in files], return_tensors="pt").to(torch.float64)) if files else {}
            for files in ([p["image"] for m in case["messages"] for p in m["content"] if p["type"] == "image"] for case in self.cases)
        ]

    def model(self):
        return Qwen2VLForConditionalGeneration.from_pretrained(self.checkpoint, attn_implementation="eager").double().eval()

    def row(self, draw, case):
        # Words only: the 284 tokens below those with a meaning.
        return {"case": case, "completion": [draw.randrange(284) for _ in range(draw.randint(4, 12))]}

    def log_probs(self, model, row):
        ids, completion = self.cases[row["case"]]["ids"], row["completion"]
        tokens = torch.tensor([ids + completion])
        kinds = (tokens == model.config.image_token_id).int()
        pictures = self.pictures[row["case"]]
        logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), mm_token_type_ids=kinds, **pictures).logits
        return logits[0, len(ids) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]


def canonical(name: str) -> str:
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), getattr(torch, sys.argv[3]))
