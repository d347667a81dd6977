"""Records what transformers' logits processors make of the logits after the prompt "one picture": the distribution that a token is drawn from.

    pip install -r requirements.txt
    python sampling.py ../data/qwen2-vl-tiny ../data/sampling.json

Each setting lists the tokens that can be drawn and their log-probs. Tokens that stand for pictures are suppressed.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import (
    LogitsProcessorList, RepetitionPenaltyLogitsProcessor, SuppressTokensLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
)

SETTINGS = [
    {}, {"temperature": 0.6}, {"temperature": 2}, {"topP": 0.7}, {"temperature": 1.5, "topP": 0.9},
    {"topK": 12}, {"temperature": 3, "topK": 30, "topP": 0.8},
    {"repetitionPenalty": 1.4}, {"repetitionPenalty": 0.8, "temperature": 1.5, "topP": 0.9},
]


def main(data: Path, out: Path) -> None:
    config = json.loads((data / "checkpoint/config.json").read_text())
    forbidden = [config[f"{name}_token_id"] for name in ("image", "video", "vision_start", "vision_end")]
    logits = load_file(data / "arrays.safetensors")["one picture/logits"][:1]
    prompts = json.loads((data / "cases.json").read_text())["cases"]
    prompt = torch.tensor([next(case["ids"] for case in prompts if case["name"] == "one picture")])
    cases = []
    for setting in SETTINGS:
        # In the order in which generate applies them.
        processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(float(setting.get("repetitionPenalty", 1)))])
        processors.append(SuppressTokensLogitsProcessor(forbidden))
        if "temperature" in setting:
            processors.append(TemperatureLogitsWarper(float(setting["temperature"])))
        if "topK" in setting:
            processors.append(TopKLogitsWarper(setting["topK"]))
        if "topP" in setting:
            processors.append(TopPLogitsWarper(setting["topP"]))
        log_probs = processors(prompt, logits.clone()).log_softmax(-1)[0]
        kept = log_probs.isfinite().nonzero()[:, 0].tolist()
        cases.append({"options": setting, "tokens": kept, "logProbs": [round(float(log_probs[t]), 6) for t in kept]})
    out.write_text(json.dumps({"versions": {"transformers": transformers.__version__}, "cases": cases}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
