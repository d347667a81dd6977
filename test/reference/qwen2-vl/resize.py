"""Records the pixels of torchvision's antialiased bicubic resize of bytes.

    pip install -r requirements.txt
    python resize.py ../data/photographs ../data/resize.json

Byte i of a drawn picture is (97 i + 31 ⌊i / 16⌋) mod 256; a photograph is cut to its upper left corner first. PyTorch has three kernels for this: set
ATEN_CPU_CAPABILITY to default, avx2 or avx512 to see that they agree.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms.v2 import functional as tvF

# Pictures of one pixel, hardly changed, enlarged a lot, shrunk a lot (weights then need 22 bits), and the proportions at which Pillow 13 takes columns first.
AWKWARD = [
    (1, 1, 28, 56), (1, 97, 3, 28), (28, 28, 29, 27), (5, 3, 280, 140), (3, 700, 28, 28), (2000, 5, 4, 9), (5, 2000, 9, 4), (57, 400, 56, 140),
    (640, 480, 56, 28), (150, 60, 140, 28),
]
CROPS = [(451, 300, 448, 308), (451, 300, 252, 168), (451, 300, 616, 420), (300, 300, 140, 140), (57, 300, 56, 112), (451, 60, 252, 28), (99, 133, 196, 280)]


def main(photographs: Path, out: Path) -> None:
    rng = random.Random(0)
    sizes = [tuple(rng.randint(4, 96) for _ in range(4)) for _ in range(60)] + AWKWARD
    cases = [case(drawn(width, height), *size) for width, height, *size in sizes]
    cat = np.asarray(Image.open(photographs / "chelsea.png").convert("RGB"))
    photographed = [{"file": "chelsea.png"} | case(cat[:height, :width], *size) for width, height, *size in CROPS]
    versions = {"torch": torch.__version__.split("+")[0], "torchvision": torchvision.__version__.split("+")[0]}
    out.write_text(json.dumps({"versions": versions, "cases": cases, "photographs": photographed}, indent=1) + "\n")


def drawn(width: int, height: int) -> np.ndarray:
    i = np.arange(width * height * 3)
    return ((97 * i + 31 * (i // 16)) % 256).astype(np.uint8).reshape(height, width, 3)


def case(pixels: np.ndarray, new_width: int, new_height: int) -> dict:
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    resized = tvF.resize(image, [new_height, new_width], interpolation=tvF.InterpolationMode.BICUBIC, antialias=True)
    found = hashlib.sha256(resized.permute(1, 2, 0).contiguous().numpy().tobytes()).hexdigest()
    return {"from": [pixels.shape[1], pixels.shape[0]], "to": [new_width, new_height], "sha256": found}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
