"""Tiny random Qwen3-VLs. Heads are wider than hidden_size / heads, and the learned positions are fewer than the patches of some pictures and more than those of others."""

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from make import eager, marks, randomise, text_settings
from shapes import sizes


def tower(depth, width, heads, intermediate, positions, deepstack):
    return dict(
        depth=depth, hidden_size=width, num_heads=heads, intermediate_size=intermediate, num_position_embeddings=positions,
        deepstack_visual_indexes=deepstack,
    )


# 30 positions are a grid of 5×5, and five that nothing reads.
SHAPES = {
    "tied": dict(
        text=sizes(48, 40, 3, 6, 2) | dict(head_dim=12), vision=tower(3, 16, 2, 36, 16, [0, 1]), tied=True, sections=(2, 2, 2), seed=7, dtype=torch.float32, file="1GB"
    ),
    "untied": dict(
        text=sizes(32, 56, 2, 4, 1) | dict(head_dim=16), vision=tower(3, 24, 3, 52, 30, [1]), tied=False, sections=(4, 2, 2), seed=8, dtype=torch.bfloat16, file="60KB"
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
