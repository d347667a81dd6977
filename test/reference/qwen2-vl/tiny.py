"""The material of the tiny model: what its tokenizer learns from, the chat format, prompts and pictures."""

from pathlib import Path

import numpy as np
from PIL import Image

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]

CORPUS = [
    "The picture shows a calm lake in the evening; the light is soft and the colours are warm.",
    "A small child is laughing in the garden, and the mood of the scene is light and happy.",
    "system user assistant You are a helpful assistant. What mood does this picture show?",
    "Two dogs are running on the beach, their heads are up and the waves behind them are high.",
]

CHAT_TEMPLATE = (
    "{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}"
    "{%- for part in message.content %}"
    "{%- if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part.text }}{% endif %}"
    "{%- endfor %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def text(words: str) -> dict:
    return {"type": "text", "text": words}


def image(file: str) -> dict:
    return {"type": "image", "image": file}


PROMPTS = [
    {
        "name": "one picture",
        "messages": [{"role": "user", "content": [image("square.png"), text("What mood does this picture show?")]}],
        "completion": "A calm lake.",
        "gradients": False,
    },
    {
        "name": "two pictures",
        "messages": [
            {"role": "system", "content": [text("You look at pictures.")]},
            {"role": "user", "content": [text("First: "), image("wide.png"), text(" then "), image("alpha.png"), text("\nCompare them.")]},
            {"role": "assistant", "content": [text("The first is warmer.")]},
            {"role": "user", "content": [text("Why? naïve – 東京 🙂")]},
        ],
        "completion": "The light is soft, 3 dogs run.",
        "gradients": True,
    },
    {
        "name": "words only",
        "messages": [{"role": "user", "content": [text("Say  'hi' twice,\nplease: 12.5%")]}],
        "completion": "hi hi",
        "gradients": False,
    },
]


def write_pictures(folder: Path) -> None:
    """Waves and noise: smooth parts, edges and overshoot all matter to a resampling filter."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)

    def picture(width: int, height: int, channels: int) -> np.ndarray:
        y, x = np.mgrid[0:height, 0:width]
        waves = [127 + 120 * np.sin(x / (3 + 2 * c) + y / (11 - 2 * c)) for c in range(channels)]
        edges = 255 * ((x // 9 + y // 7) % 2)[..., None]
        mixed = np.where(random.random((height, width, 1)) < 0.3, edges, np.stack(waves, -1))
        return mixed.clip(0, 255).astype(np.uint8)

    Image.fromarray(picture(70, 70, 3)).save(folder / "square.png")
    Image.fromarray(picture(150, 61, 3)).save(folder / "wide.png")
    Image.fromarray(picture(37, 52, 4)).save(folder / "alpha.png")
    Image.fromarray(picture(84, 56, 3)).save(folder / "fits.png")
    Image.fromarray(picture(33, 90, 1)[..., 0]).save(folder / "grey.png")
    Image.fromarray(picture(64, 48, 3)).quantize(16).save(folder / "palette.png")
    photo = Image.fromarray(picture(60, 44, 3)).resize((120, 88))
    turned = photo.getexif()
    turned[0x0112] = 6
    photo.save(folder / "turned.jpg", quality=85, exif=turned)
    # One colour of each is transparent.
    few = Image.fromarray(picture(40, 31, 3)).quantize(8)
    few.save(folder / "clear-palette.png", transparency=3)
    few.save(folder / "clear.gif", transparency=3)
    Image.fromarray(np.random.default_rng(8).integers(0, 400, (29, 35)).astype(np.uint16)).save(folder / "deep-grey.png")
    Image.fromarray(np.full((30, 40, 4), (30, 90, 200, 60), np.uint8), "CMYK").save(folder / "ink.jpg", quality=95)
