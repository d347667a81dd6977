"""Records adapters that train more than linear layers, as PEFT saves them, and the log-probs that PEFT gives with each.

    pip install -r ../requirements.txt
    python tokens.py ../data/peft-tokens

Each folder has the adapter's two files and `case.json`: the completion, its log-probs after the prompt "words only", and which checkpoint was adapted: the
tied one of ../data/qwen2-vl-tiny or the untied one of ../data/shapes. Where `resized` is true, four tokens were added to the model before.
"""

import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import Qwen2VLForConditionalGeneration

DATA = Path(__file__).parent / ".." / "data"
TIED, UNTIED = DATA / "qwen2-vl-tiny", DATA / "shapes" / "untied"
Q = ["q_proj"]

CASES = {
    "tied-both-saved": (TIED, False, dict(modules_to_save=["embed_tokens", "lm_head"])),
    "tied-embeddings-saved": (TIED, False, dict(modules_to_save=["embed_tokens"])),
    "tied-together": (TIED, False, dict(modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
    "tied-rows": (TIED, False, dict(trainable_token_indices=[3, 250, 288])),
    "tied-head": (TIED, False, dict(target_modules=["q_proj", "lm_head"])),
    "untied-resized": (UNTIED, True, dict(modules_to_save=["embed_tokens", "lm_head"])),
    "untied-rows": (UNTIED, False, dict(trainable_token_indices={"embed_tokens": [5, 250, 100], "lm_head": [7]})),
    "untied-lora": (UNTIED, False, dict(target_modules=["q_proj", "lm_head", "embed_tokens"])),
}


def main(out: Path) -> None:
    for name, (data, resized, options) in CASES.items():
        torch.manual_seed(2508)
        base = Qwen2VLForConditionalGeneration.from_pretrained(data / "checkpoint", dtype=torch.float32, attn_implementation="eager")
        if resized:
            base.resize_token_embeddings(295)
        model = get_peft_model(base, LoraConfig(r=2, lora_alpha=3, **{"target_modules": Q, **options})).eval()
        seen = set()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad and parameter.data_ptr() not in seen:
                    seen.add(parameter.data_ptr())
                    parameter.add_(0.3 * torch.randn(parameter.shape))
        case = next(case for case in json.loads((data / "cases.json").read_text())["cases"] if case["name"] == "words only")
        completion = case["completionIds"] + [3, 250, 5] + ([291, 294] if resized else []) + [100]
        tokens = torch.tensor([case["ids"] + completion])
        with torch.no_grad():
            logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), mm_token_type_ids=torch.zeros_like(tokens)).logits
        scored = logits[0, len(case["ids"]) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]
        folder = out / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        path = folder / "adapter_config.json"
        saved = json.loads(path.read_text())
        path.write_text(json.dumps(saved | {"target_modules": sorted(saved["target_modules"]), "base_model_name_or_path": "checkpoint"}, indent=2) + "\n")
        versions = {"peft": peft.__version__, "transformers": transformers.__version__, "torch": torch.__version__}
        recorded = {"checkpoint": "tied" if data == TIED else "untied", "resized": resized, "completionIds": completion, "logProbs": scored.tolist()}
        (folder / "case.json").write_text(json.dumps(versions | recorded) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
