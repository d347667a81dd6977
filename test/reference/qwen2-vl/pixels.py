"""Writes pictures of many sizes and kinds, and the pixel values that transformers makes of them.

    python pixels.py ../data FOLDER

`checkpoint/` has the settings, `qwen3-vl/` those of Qwen3-VL, `pictures/` the pictures (photographs whole and cut, drawings, every format of ../data), and
`arrays.safetensors` three arrays for each: `torchvision/<file>` from AutoProcessor as it comes, `pillow/<file>` from the Pillow back end, and
`qwen3-vl/<file>` from AutoProcessor with the settings of Qwen3-VL.
"""

import random
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoImageProcessor
from transformers.image_utils import load_image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

CROPS = 28


def main(data: Path, out: Path) -> None:
    checkpoint, pictures = out / "checkpoint", out / "pictures"
    shutil.copytree(data / "qwen2-vl-tiny/checkpoint", checkpoint)
    Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=401408).save_pretrained(checkpoint)
    shutil.copytree(data / "families/qwen3-vl/tied/checkpoint", out / "qwen3-vl")
    half = [0.5, 0.5, 0.5]
    size = dict(shortest_edge=256 * 256, longest_edge=401408)
    Qwen2VLImageProcessor(patch_size=16, image_mean=half, image_std=half, size=size).save_pretrained(out / "qwen3-vl")
    pictures.mkdir()
    for path in [*(data / "photographs").iterdir(), *(data / "qwen2-vl-tiny/images").iterdir(), *(data / "shapes/untied/images").iterdir()]:
        shutil.copy(path, pictures)
    cut(sorted((data / "photographs").iterdir()), pictures)
    draw(pictures)

    torchvision, qwen3 = (AutoImageProcessor.from_pretrained(folder) for folder in (checkpoint, out / "qwen3-vl"))
    assert torchvision.backend == qwen3.backend == "torchvision", torchvision
    pillow = Qwen2VLImageProcessorPil.from_pretrained(checkpoint)
    arrays = {}
    for path in sorted(pictures.iterdir()):
        image = load_image(str(path))
        for name, processor in [("torchvision", torchvision), ("pillow", pillow), ("qwen3-vl", qwen3)]:
            arrays[f"{name}/{path.name}"] = processor(images=[image], return_tensors="pt")["pixel_values"].contiguous()
    save_file(arrays, out / "arrays.safetensors")


def cut(photographs: list[Path], out: Path) -> None:
    rng = random.Random(5)
    for i in range(CROPS):
        photograph = photographs[i % len(photographs)]
        image = Image.open(photograph).convert("RGB")
        # Every fourth is narrow: there Pillow 13 takes columns first and leaves the least pixels.
        width, height = rng.randint(20, 60) if i % 4 == 0 else rng.randint(40, image.width), rng.randint(40, image.height)
        left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
        image.crop((left, top, left + width, top + height)).save(out / f"{photograph.stem}-{width}x{height}.png")


def draw(out: Path) -> None:
    random = np.random.default_rng(3)
    for width, height in [(57, 400), (400, 57), (640, 480), (1, 1), (3, 500), (1500, 900), (29, 27), (28, 56)]:
        edges = 255 * (np.add.outer(np.arange(height) // 7, np.arange(width) // 9) % 2)
        pixels = np.where(random.random((height, width, 3)) < 0.5, edges[..., None], random.integers(0, 256, (height, width, 3)))
        Image.fromarray(pixels.astype(np.uint8)).save(out / f"drawn-{width}x{height}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
