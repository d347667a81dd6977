"""Training steps with PyTorch and transformers, timed. Called by train-step.ts with the work as JSON and the pixels as safetensors; a step for each line read."""

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
tokens = torch.tensor(work["tokens"], device=device)
grids = torch.tensor(work["grids"], device=device)
pixels = pixels.to(device)
places = [[i, t - 1] for i, start in enumerate(work["promptLengths"]) for t in range(start, tokens.shape[1])]
scored = torch.tensor(places, device=device)


def steps(attention: str, optimizer: dict):
    """Yields the sum of log-probs before each step."""
    model = Qwen2VLForConditionalGeneration.from_pretrained(
        work["model"], dtype=torch.float32, attn_implementation=attention
    ).train().to(device)
    adamw = torch.optim.AdamW(model.parameters(), lr=work["learningRate"], weight_decay=0.1, **optimizer)
    kinds = (tokens == model.config.image_token_id).int()
    positions, _ = model.model.get_rope_index(tokens, kinds, grids)
    inputs = dict(input_ids=tokens, pixel_values=pixels, image_grid_thw=grids, mm_token_type_ids=kinds, position_ids=positions)
    chosen = tokens[scored[:, 0], scored[:, 1] + 1][:, None]
    while True:
        hidden = model.model(**inputs, use_cache=False).last_hidden_state
        log_probs = model.lm_head(hidden[scored[:, 0], scored[:, 1]]).log_softmax(-1).gather(1, chosen)
        loss = -log_probs.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        yield -loss.item()


ways = {
    f"{attention}, {name}": steps(attention, optimizer)
    for attention in ("eager", "sdpa")
    for name, optimizer in {"fused": dict(fused=True), "foreach": dict(foreach=True)}.items()
}
card = {"card": torch.cuda.get_device_name()} if device == "cuda" else {}
print(json.dumps({"torch": torch.__version__} | card), flush=True)
for line in sys.stdin:
    run = ways[json.loads(line)["way"]]
    start = time.perf_counter()
    log_probs = next(run)
    print(json.dumps({"ms": 1000 * (time.perf_counter() - start), "logProbs": log_probs}), flush=True)
