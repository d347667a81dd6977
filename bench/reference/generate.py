"""Sampling with transformers on PyTorch, timed. Called by generate.ts with the work as JSON and the pixels as safetensors; once for
each line read."""

import functools
import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import Qwen2VLForConditionalGeneration

work = json.loads(Path(sys.argv[1]).read_text())
pixels = load_file(sys.argv[2])["pixelValues"]
torch.set_num_threads(work["threads"])
torch.set_flush_denormal(True)
torch.backends.cuda.matmul.allow_tf32 = True
device = work["device"]
tokens, grids = torch.tensor(work["tokens"], device=device), torch.tensor(work["grids"], device=device)
pixels = pixels.to(device)
patches = grids.prod(1)


@functools.cache
def load(attention: str, dtype: str):
    model = Qwen2VLForConditionalGeneration.from_pretrained(
        work["model"], dtype=getattr(torch, dtype), attn_implementation=attention
    ).eval().to(device)
    # Nothing ends a completion early, and nothing is spent on looking for the end.
    model.generation_config.eos_token_id = None
    return model


@torch.inference_mode()
def timed(model, prompts: int, count: int) -> float:
    ids = tokens[:prompts]
    inputs = dict(
        input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=(ids == model.config.image_token_id).int(),
        pixel_values=pixels[: int(patches[:prompts].sum())], image_grid_thw=grids[:prompts],
    )
    start = time.perf_counter()
    out = model.generate(
        **inputs, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, num_return_sequences=count,
        max_new_tokens=work["maxTokens"], use_cache=True,
    )
    out = out.cpu()
    taken = 1000 * (time.perf_counter() - start)
    assert out.shape == (prompts * count, ids.shape[1] + work["maxTokens"]), out.shape
    return taken


card = {"card": torch.cuda.get_device_name()} if device == "cuda" else {}
print(json.dumps({"torch": torch.__version__} | card), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"ms": timed(load(request["attention"], request["dtype"]), request["prompts"], request["count"])}), flush=True)
