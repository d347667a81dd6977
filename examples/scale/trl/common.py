"""The settings that the three programs share."""

import argparse
import json
import os

import torch
from datasets import Dataset, Image
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--steps", type=int, default=12)
parser.add_argument("--deepspeed")
options = parser.parse_args()

checkpoint = os.path.join(options.data, "tiny-vlm")

shared = dict(
    output_dir=os.path.join(options.data, "out"),
    max_steps=options.steps,
    learning_rate=1e-4,
    lr_scheduler_type="constant",
    logging_steps=1,
    save_strategy="no",
    report_to=[],
    disable_tqdm=True,
    seed=0,
    bf16=False,
    use_cpu=True,
    deepspeed=options.deepspeed,
)


def load_model():
    return AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32)


def load_processor():
    # GRPOTrainer puts padding before prompts; the processor's has to be on the same side.
    return AutoProcessor.from_pretrained(checkpoint, padding_side="left")


def prompts(column):
    """The examples' ids and images, with the prompt of one stage."""
    with open(os.path.join(options.data, "prompts.jsonl")) as file:
        rows = [json.loads(line) for line in file]
    messages = [[{"role": "user", "content": row[column]}] for row in rows]
    columns = {"id": [row["id"] for row in rows], "prompt": messages, "image": [row["image"] for row in rows]}
    return Dataset.from_dict(columns).cast_column("image", Image())


class PrintSteps(TrainerCallback):
    """One line of JSON a step, and what each process holds."""

    names = ("loss", "reward", "rewards_std", "grad_norm", "completions/mean_length")

    def on_train_begin(self, args, state, control, model, **_):
        local = sum(getattr(p, "ds_tensor", p).numel() for p in model.parameters())
        parameters = sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters())
        if state.is_world_process_zero:
            print(json.dumps({"processes": args.world_size, "parameters": parameters, "local": local}), flush=True)

    def on_log(self, args, state, control, logs, **_):
        if state.is_world_process_zero and ("loss" in logs or "reward" in logs):
            figures = {name: round(float(logs[name]), 4) for name in self.names if name in logs}
            print(json.dumps({"step": state.global_step, **figures}), flush=True)
