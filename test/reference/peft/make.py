"""Records what PEFT computes with an adapter on the tiny Qwen2-VL.

    pip install -r requirements.txt
    python make.py ../data/qwen2-vl-tiny ../data/peft

Writes the adapter as PEFT saves it (adapter_config.json, adapter_model.safetensors; both matrices random) and `figures.safetensors`: of the
case "two pictures" `logProbs` of the completion and `gradient/<name in the adapter's file>` of Σ cotangent · logProbs, with that case's
cotangent.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import Qwen2VLForConditionalGeneration
from transformers.image_utils import load_image
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

CASE = "two pictures"


def main(model_dir: Path, out: Path) -> None:
    base = Qwen2VLForConditionalGeneration.from_pretrained(model_dir / "checkpoint", attn_implementation="eager").eval()
    config = LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj", "down_proj"], base_model_name_or_path="qwen2-vl-tiny")
    model = get_peft_model(base, config)
    random = torch.Generator().manual_seed(2508)
    adapter = {n: p for n, p in sorted(model.named_parameters()) if "lora_" in n}
    with torch.no_grad():
        for parameter in adapter.values():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=random))
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    # A set, so its order changes from run to run.
    path = out / "adapter_config.json"
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(saved | {"target_modules": sorted(saved["target_modules"]), "base_model_name_or_path": "qwen2-vl-tiny"}, indent=2) + "\n")

    cotangent = load_file(model_dir / "arrays.safetensors")[f"{CASE}/cotangent"]
    log_probs = completion_log_probs(model, model_dir, CASE)
    (log_probs * cotangent).sum().backward()
    figures = {"logProbs": log_probs.detach()} | {f"gradient/{n.replace('.default', '')}": p.grad for n, p in adapter.items()}
    save_file({name: array.contiguous().clone() for name, array in figures.items()}, out / "figures.safetensors")


def completion_log_probs(model, model_dir: Path, case_name: str) -> torch.Tensor:
    """log π of each token of a recorded case's completion."""
    case = next(c for c in json.loads((model_dir / "cases.json").read_text())["cases"] if c["name"] == case_name)
    files = [part["image"] for m in case["messages"] for part in m["content"] if part["type"] == "image"]
    processor = Qwen2VLImageProcessor.from_pretrained(model_dir / "checkpoint")
    pictures = processor(images=[load_image(str(model_dir / "images" / file)) for file in files], return_tensors="pt")
    tokens = torch.tensor([case["ids"] + case["completionIds"]])
    kinds = (tokens == model.config.image_token_id).int()
    logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), mm_token_type_ids=kinds, **pictures).logits
    scored = logits[0, len(case["ids"]) - 1 : -1].log_softmax(-1)
    return scored.gather(1, torch.tensor(case["completionIds"])[:, None])[:, 0]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
