"""Tiny random Qwen3-VLs. Heads are wider than hidden_size / heads, and the learned positions are fewer than the patches of some pictures and more than those of others."""

import hashlib

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.vision_utils import get_vision_interpolation_indices_and_weights

from make import eager, marks, randomise, text_settings
from shapes import sizes


def tower(depth, width, heads, intermediate, positions, deepstack):
    return dict(
        depth=depth, hidden_size=width, num_heads=heads, intermediate_size=intermediate, num_position_embeddings=positions,
        deepstack_visual_indexes=deepstack,
    )


# 30 positions are a grid of 5×5, and five that nothing reads. The first list of blocks is not in their order; the second has as many as the text model has layers.
SHAPES = {
    "tied": dict(
        text=sizes(48, 40, 3, 6, 2) | dict(head_dim=12), vision=tower(3, 16, 2, 36, 16, [1, 0]), tied=True, sections=(2, 2, 2), seed=7, dtype=torch.float32, file="1GB"
    ),
    "untied": dict(
        text=sizes(32, 56, 2, 4, 1) | dict(head_dim=16), vision=tower(3, 24, 3, 52, 30, [0, 2]), tied=False, sections=(4, 2, 2), seed=8, dtype=torch.bfloat16, file="60KB"
    ),
}


def build(tokenizer, text, vision, tied, sections, seed):
    settings = text_settings(tokenizer, text, tied, sections)
    settings["rope_parameters"] |= dict(mrope_interleaved=True, rope_theta=5e6)
    config = Qwen3VLConfig(
        text_config=settings, vision_config=vision | dict(out_hidden_size=text["hidden_size"]), tie_word_embeddings=tied, **marks(tokenizer)
    )
    return randomise(Qwen3VLForConditionalGeneration(eager(config)), tokenizer, seed)


def processor():
    half = [0.5, 0.5, 0.5]
    return Qwen2VLImageProcessor(patch_size=16, image_mean=half, image_std=half, size=dict(shortest_edge=64 * 64, longest_edge=32 * 32 * 20))


GRIDS = [(2, 2), (8, 8), (10, 8), (6, 10), (2, 24), (24, 2), (46, 34), (100, 64)]


def tables() -> list[dict]:
    """The learned positions around every patch and their shares, from learned grids of several sizes."""
    return [interpolation(grid, side, merge) for grid in GRIDS[:-2] for side, merge in [(4, 2), (5, 1)]] + [interpolation(grid, 48, 2) for grid in GRIDS]


def interpolation(grid, side, merge) -> dict:
    settings = dict(num_grid_per_side=side, mode="bilinear", align_corners=True, spatial_merge_size=merge)
    indices, weights = get_vision_interpolation_indices_and_weights(torch.tensor([[1, *grid]]), **settings)
    digest = hashlib.sha256(indices.numpy().astype("<i8").tobytes() + weights.numpy().astype("<f4").tobytes()).hexdigest()
    some = slice(0, None, max(1, len(indices) // 8))
    return {
        "grid": [1, *grid], "side": side, "spatialMergeSize": merge, "step": some.step, "indices": indices[some].tolist(), "weights": weights[some].tolist(), "sha256": digest,
    }
