"""Records what transformers and PEFT compute with random Qwen2-VLs of several shapes, from pictures of awkward sizes.

    pip install -r ../requirements.txt
    python shapes.py FOLDER                   every shape, with pixel values
    python shapes.py ../data/shapes untied    one shape, without

Each shape has a folder with `checkpoint/`, `cases.json` and `arrays.safetensors` as make.py writes them, and `adapter/`: LoRA of rank 4 on every
linear layer, as PEFT saves it. `arrays.safetensors` then also has `lora/logProbs` and `lora/gradient/<name in the adapter's file>` of the case
with two pictures. Checkpoints are in several number types; everything is computed from them in float32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import save_file
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from make import build_model, build_tokenizer, record
from tiny import image, text

STEPS = 64


def sizes(hidden, intermediate, layers, heads, kv_heads):
    return dict(
        hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads
    )


def tower(depth, width, heads, ratio):
    return dict(depth=depth, embed_dim=width, num_heads=heads, mlp_ratio=ratio)


# Query heads share 3, 4, 1 and 6 to a key head; where a file is small, there are several.
SHAPES = {
    "tied": dict(text=sizes(48, 40, 3, 6, 2), vision=tower(1, 16, 2, 2), tied=True, sections=(1, 1, 2), seed=1, dtype=torch.float32, file="1GB"),
    "untied": dict(text=sizes(32, 56, 1, 4, 1), vision=tower(3, 24, 3, 4), tied=False, sections=(1, 2, 1), seed=2, dtype=torch.bfloat16, file="60KB"),
    "multihead": dict(text=sizes(32, 44, 4, 2, 2), vision=tower(2, 24, 2, 3), tied=True, sections=(2, 3, 3), seed=3, dtype=torch.float16, file="1GB"),
    "wide": dict(text=sizes(96, 64, 2, 12, 2), vision=tower(4, 16, 1, 2), tied=False, sections=(2, 1, 1), seed=4, dtype=torch.float32, file="100KB"),
}
PICTURES = {
    "dot.png": (3, 5), "strip.png": (13, 401), "bar.png": (611, 29), "odd.png": (101, 97), "half.png": (70, 98), "tall.png": (45, 333),
    "big.jpg": (517, 389), "grey.png": (211, 64), "clear.png": (83, 149),
}


def main(out: Path, only: str | None) -> None:
    folder = out / "images" if only is None else out / only / "images"
    draw_pictures(folder)
    for name, shape in SHAPES.items():
        if only in (None, name):
            make(out / name, folder.parent, only is None, **shape)


def make(out: Path, pictures: Path, pixels: bool, dtype, file, build=build_model, asked=None, processor=None, **shape) -> None:
    checkpoint = out / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(checkpoint)
    processor = processor or Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=28 * 28 * 12)
    processor.save_pretrained(checkpoint)
    model = build(tokenizer, **shape)
    # A token that is never written, so that greedy decoding continues to the end.
    model.generation_config.eos_token_id = [tokenizer.convert_tokens_to_ids("<|video_pad|>")]
    model.to(dtype).save_pretrained(checkpoint, max_shard_size=file)

    load = lambda: type(model).from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager").eval()  # noqa: E731
    arrays: dict[str, torch.Tensor] = {}
    cases = [record(load(), tokenizer, processor, pictures, prompt | {"pixels": pixels}, arrays, STEPS) for prompt in asked or prompts()]
    case = next(case for case in cases if case["name"] == "two pictures")
    # rsLoRA for every other shape.
    adapt(load(), processor, pictures, out / "adapter", case, arrays, rslora=not shape["tied"])
    # Only what the comparison reads.
    unread = ("cos", "sin", "visionCos", "visionSin", "features")
    kept = {name: array[:1] if name.endswith("/logits") else array for name, array in arrays.items() if name.split("/")[1] not in unread}
    save_file({name: array.detach().contiguous().clone() for name, array in kept.items()}, out / "arrays.safetensors")
    (out / "cases.json").write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n")


def adapt(base, processor, pictures, out: Path, case, arrays, rslora) -> None:
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", use_rslora=rslora))
    random = torch.Generator().manual_seed(2508)
    adapter = {n: p for n, p in sorted(model.named_parameters()) if "lora_" in n}
    with torch.no_grad():
        for parameter in adapter.values():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=random))
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    path = out / "adapter_config.json"
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(saved | {"target_modules": sorted(saved["target_modules"]), "base_model_name_or_path": "checkpoint"}, indent=2) + "\n")

    files = [part["image"] for m in case["messages"] for part in m["content"] if part["type"] == "image"]
    inputs = processor(images=[Image.open(pictures / "images" / file).convert("RGB") for file in files], return_tensors="pt")
    tokens = torch.tensor([case["ids"] + case["completionIds"]])
    kinds = (tokens == model.config.image_token_id).int()
    logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), mm_token_type_ids=kinds, **inputs).logits
    scored = logits[0, len(case["ids"]) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(case["completionIds"])[:, None])[:, 0]
    (scored * arrays["two pictures/cotangent"]).sum().backward()
    arrays["lora/logProbs"] = scored
    arrays.update({f"lora/gradient/{n.replace('.default', '')}": p.grad for n, p in adapter.items()})


def prompts() -> list[dict]:
    def ask(name, messages, gradients=False):
        return {"name": name, "messages": messages, "completion": "A calm lake, 3 dogs.", "gradients": gradients}

    def turn(*parts, role="user"):
        return {"role": role, "content": list(parts)}

    def talk(file):
        return [
            turn(text("You look at pictures."), role="system"), turn(text("Look, naïve 東京 🙂:\n"), image(file)),
            turn(text("It is light."), role="assistant"), turn(text("Why? 12.5%")),
        ]

    two = turn(text("First: "), image("strip.png"), text(" then "), image("clear.png"), text("?"))
    return [
        *(ask(file, [turn(image(file), text("What mood does this picture show?"))]) for file in PICTURES),
        *(ask(f"talk of {file}", talk(file)) for file in PICTURES),
        ask("two pictures", [two], gradients=True),
        ask("words only", [turn(text("Say  'hi' twice,\nplease: 12.5%"))]),
    ]


def draw_pictures(folder: Path, pictures=PICTURES) -> None:
    """Waves, edges and noise: smooth parts and overshoot all matter to a resampling filter."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(11)
    for file, (width, height) in pictures.items():
        y, x = np.mgrid[0:height, 0:width]
        waves = np.stack([127 + 110 * np.sin(x / (4 + 3 * c) + y / (13 - 2 * c)) for c in range(4)], -1)
        edges = 255 * ((x // 9 + y // 7) % 2)[..., None]
        pixels = np.where(random.random((height // 4 + 1, width // 4 + 1, 1)).repeat(4, 0).repeat(4, 1)[:height, :width] < 0.3, edges, waves)
        mode = {"grey.png": "L", "clear.png": "RGBA"}.get(file, "RGB")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode).save(folder / file, **({"quality": 90} if file.endswith("jpg") else {}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
