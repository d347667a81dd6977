"""Loads exports with Python's datasets (5.2.0), and TRL's (1.16.0) view of them with a tokenizer's chat template. Prints JSON: features, texts, pixels as SHA-256."""

import hashlib
import json
import sys
from pathlib import Path

from datasets import Image, List, disable_progress_bars, load_dataset
from transformers import AutoTokenizer
from transformers.image_transforms import convert_to_rgb
from transformers.image_utils import load_image
from trl.data_utils import apply_chat_template, is_conversational, prepare_multimodal_messages

disable_progress_bars()
folder, checkpoint, scratch = map(Path, sys.argv[1:])
tokenizer = AutoTokenizer.from_pretrained(checkpoint)


def load(kind, **where):
    return load_dataset(kind, **where, split="train", cache_dir=str(scratch))


def loaded(name):
    here = folder / name
    if name == "parquet":
        return load("parquet", data_files=str(here / "train.parquet"))
    if name == "trl":
        return load("imagefolder", data_dir=str(here))
    file = "train.jsonl"
    if name == "sharegpt":
        info = json.loads((here / "dataset_info.json").read_text())["rise"]
        assert info["formatting"] == "sharegpt" and info["columns"] == {"messages": "conversations", "images": "images"}
        file = info["file_name"]
    rows = load("json", data_files=str(here / file))
    rows = rows.map(lambda row: {"images": [str(here / path) for path in row["images"]]})
    return rows.cast_column("images", List(Image()))


def turns(row):
    if "conversations" in row:
        names = {"human": "user", "gpt": "assistant"}
        return [{"role": names.get(turn["from"], turn["from"]), "content": turn["value"]} for turn in row["conversations"]]
    return row["messages"] if "messages" in row else row["prompt"] + row["completion"]


def described(row):
    [image] = row["images"]
    # As the image processor reads them: load_image leaves a transparent colour, which is then painted white.
    pixels = convert_to_rgb(load_image(image), return_numpy=True)
    said = [(turn["role"], turn["content"].removeprefix("<image>")) for turn in turns(row)]
    # As TRL prepares a batch: the image goes before the first words of the user.
    messages = prepare_multimodal_messages([{"role": role, "content": text} for role, text in said], [image])
    kinds = [[part["type"] for part in message["content"]] for message in messages]
    if "conversations" not in row:
        assert is_conversational(row)
    templated = apply_chat_template({"prompt": messages[:-1], "completion": messages[-1:]}, tokenizer)
    return {
        "id": row["id"],
        "subject": row["subject"],
        "reward": row["reward"],
        "turns": [list(turn) for turn in said],
        "kinds": kinds,
        "holdsTarget": templated["completion"].startswith(said[-1][1]),
        "size": [pixels.shape[1], pixels.shape[0]],
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }


result = {}
for name in ["trl", "sharegpt", "messages", "parquet"]:
    rows = loaded(name)
    assert rows.features["images"] == List(Image()), rows.features
    result[name] = [described(row) for row in rows]
print(json.dumps(result))
