"""Pictures made into pixel values and features with transformers on PyTorch, timed. Called by images.ts with the work as JSON and its own results as
safetensors; a piece of work for each line read, with the largest difference between both sides' results."""

import json
import sys
import time
from pathlib import Path

import PIL
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoImageProcessor, Qwen2VLForConditionalGeneration
from transformers.image_utils import load_image
from transformers.utils import is_torchvision_available

ATTENTIONS = ("eager", "sdpa")

work = json.loads(Path(sys.argv[1]).read_text())
ours = load_file(sys.argv[2])
torch.set_num_threads(work["threads"])
torch.set_flush_denormal(True)

backends = {"Pillow": "pil"} | ({"torchvision": "torchvision"} if is_torchvision_available() else {})
processors = {how: AutoImageProcessor.from_pretrained(work["processor"], backend=each) for how, each in backends.items()}
towers = {
    (name, attention): Qwen2VLForConditionalGeneration.from_pretrained(
        path, dtype=torch.float32, attn_implementation=attention
    ).eval().model.visual
    for name, path in work["towers"].items()
    for attention in ATTENTIONS
}


def process(request: dict) -> tuple[float, float]:
    """The gap is in steps of a byte."""
    processor = processors[request["how"]]
    start = time.perf_counter()
    pixels = processor(images=[load_image(request["file"])], return_tensors="pt")["pixel_values"]
    taken = time.perf_counter() - start
    deviation = 255 * torch.tensor(processor.image_std)[:, None]
    return taken, (((pixels - ours[request["result"]]).reshape(len(pixels), 3, -1) * deviation).abs().max()).item()


def encode(request: dict) -> tuple[float, float]:
    """The gap is in parts of the largest feature."""
    pixels, grid = ours[request["pixels"]], torch.tensor([request["grid"]])
    start = time.perf_counter()
    features = towers[request["tower"], request["how"]](pixels, grid_thw=grid).pooler_output
    taken = time.perf_counter() - start
    return taken, ((features - ours[request["result"]]).abs().max() / features.abs().max()).item()


def say(answer: dict):
    print(json.dumps(answer), flush=True)


versions = {each.__name__: each.__version__ for each in (torch, transformers, PIL)}
if is_torchvision_available():
    import torchvision

    versions["torchvision"] = torchvision.__version__
say({"ways": [*processors, *ATTENTIONS], **versions})
with torch.inference_mode():
    for line in sys.stdin:
        request = json.loads(line)
        taken, gap = {"process": process, "encode": encode}[request["work"]](request)
        say({"ms": 1000 * taken, "gap": gap})
