"""Tiny random Qwen2.5-VLs. Windows are 2×2 and 3×3 picture tokens (100 pixels hold three whole tokens of 28); the blocks with full attention differ."""

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.vision_utils import get_vision_window_index

from make import eager, marks, randomise, text_settings
from shapes import sizes


def tower(depth, width, heads, intermediate, window, full):
    return dict(
        depth=depth, hidden_size=width, num_heads=heads, intermediate_size=intermediate, window_size=window, fullatt_block_indexes=full, tokens_per_second=2
    )


SHAPES = {
    "tied": dict(
        text=sizes(48, 40, 3, 6, 2), vision=tower(3, 16, 2, 36, 56, [1]), tied=True, sections=(1, 1, 2), seed=5, dtype=torch.float32, file="1GB"
    ),
    "untied": dict(
        text=sizes(32, 56, 2, 4, 1), vision=tower(3, 24, 3, 52, 100, [0, 2]), tied=False, sections=(1, 2, 1), seed=6, dtype=torch.bfloat16, file="60KB"
    ),
}


def build(tokenizer, text, vision, tied, sections, seed):
    config = Qwen2_5_VLConfig(
        text_config=text_settings(tokenizer, text, tied, sections), vision_config=vision | dict(out_hidden_size=text["hidden_size"]),
        tie_word_embeddings=tied, **marks(tokenizer),
    )
    return randomise(Qwen2_5_VLForConditionalGeneration(eager(config)), tokenizer, seed)


def processor():
    return Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=28 * 28 * 20)


GRIDS = [(2, 2), (8, 8), (10, 8), (6, 10), (16, 18), (2, 24), (24, 2), (46, 34)]


def tables() -> list[dict]:
    """The blocks of patches window by window, and how many patches the windows end at."""
    return [windows(grid, *sizes) for grid in GRIDS for sizes in [(112, 14, 2), (56, 14, 2), (100, 14, 2), (64, 8, 1)]]


def windows(grid, size, patch, merge) -> dict:
    index, ends = get_vision_window_index(torch.tensor([[1, *grid]]), spatial_merge_size=merge, window_size=size, patch_size=patch)
    return {"grid": [1, *grid], "windowSize": size, "patchSize": patch, "spatialMergeSize": merge, "index": index.tolist(), "ends": ends.tolist()}
