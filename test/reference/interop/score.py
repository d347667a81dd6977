"""Scores completions with transformers: reads jobs from a JSON file, prints for each the log-probs of its completions' tokens.

    python score.py jobs.json

A job is { model, adapter?, rows: [{ messages, tokens, pictures, completion }] }. The prompt's tokens are given; where the directory has a
chat template, they are checked against what transformers makes of the messages.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer
from transformers.image_utils import load_image


def main(jobs: list[dict]) -> None:
    print(json.dumps([score(job) for job in jobs]))


@torch.no_grad()
def score(job: dict) -> list[list[float]]:
    model, loading = AutoModelForImageTextToText.from_pretrained(job["model"], dtype=torch.float32, output_loading_info=True)
    assert not any(loading.values()), loading
    if "adapter" in job:
        model = with_adapter(model, job["adapter"])
    processor = AutoImageProcessor.from_pretrained(job["model"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    return [score_row(model.eval(), processor, tokenizer, row) for row in job["rows"]]


def with_adapter(model, adapter: str):
    import warnings

    from peft import PeftModel

    with warnings.catch_warnings():
        # PEFT only warns of adapter keys that it does not find.
        warnings.filterwarnings("error", message=".*adapter keys.*")
        return PeftModel.from_pretrained(model, adapter)


def score_row(model, processor, tokenizer, row: dict) -> list[float]:
    pictures = processor(images=[load_image(p) for p in row["pictures"]], return_tensors="pt") if row["pictures"] else {}
    if tokenizer.chat_template and "image" in tokenizer.chat_template:
        told = templated(tokenizer, row["messages"], pictures)
        assert told == row["tokens"], (told, row["tokens"])
    tokens = torch.tensor([row["tokens"] + row["completion"]])
    kinds = (tokens == model.config.image_token_id).int()
    logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), mm_token_type_ids=kinds, **pictures).logits
    scored = logits[0, len(row["tokens"]) - 1 : -1].log_softmax(-1)
    return scored.gather(1, torch.tensor(row["completion"])[:, None])[:, 0].tolist()


def templated(tokenizer, messages, pictures) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    first, *rest = text.split("<|image_pad|>")
    counts = [int(grid.prod()) // 4 for grid in pictures["image_grid_thw"]] if pictures else []
    return tokenizer.encode(first + "".join("<|image_pad|>" * n + piece for n, piece in zip(counts, rest, strict=True)))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
