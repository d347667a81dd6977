"""Records the pixels of Pillow's bicubic resize for sizes of every proportion.

    pip install -r requirements.txt
    python resize.py ../data/resize.json

Byte i of a picture is (97 i + 31 ⌊i / 16⌋) mod 256. Pillow 13 takes columns first where that leaves far fewer pixels, Pillow 12 never did.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

import numpy as np
import PIL
from PIL import Image


def main(out: Path) -> None:
    rng = random.Random(0)
    cases = [case(*(rng.randint(4, 96) for _ in range(4))) for _ in range(60)]
    out.write_text(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=1) + "\n")


def case(width: int, height: int, new_width: int, new_height: int) -> dict:
    i = np.arange(width * height * 3)
    image = Image.fromarray(((97 * i + 31 * (i // 16)) % 256).astype(np.uint8).reshape(height, width, 3))
    pixels = np.asarray(image.resize((new_width, new_height), Image.Resampling.BICUBIC))
    return {"from": [width, height], "to": [new_width, new_height], "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
