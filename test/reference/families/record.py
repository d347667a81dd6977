"""Records what transformers and PEFT compute with tiny random models of families other than Qwen2-VL.

    pip install -r ../requirements.txt
    python record.py ../data/families                every family
    python record.py ../data/families qwen2-5-vl     one family

Each family has a module here with SHAPES, `build(tokenizer, **shape)`, `processor()` and `tables()`. Each shape gets a folder `<family>/<shape>/` of the
form that ../qwen2-vl/shapes.py writes; `<family>/tables.json` holds what else the family computes from sizes alone. All families look at the same
pictures, `images/`, whose sizes cut windows at the edges.
"""

import importlib
import json
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path += [str(here), str(here.parent / "qwen2-vl")]

from shapes import draw_pictures, make  # noqa: E402
from tiny import image, text  # noqa: E402

FAMILIES = {"qwen2-5-vl": "qwen2_5_vl", "qwen3-vl": "qwen3_vl"}
PICTURES = {"room.png": (133, 90), "hall.jpg": (140, 112), "tall.png": (45, 333), "grey.png": (211, 64), "dot.png": (3, 5)}


def main(out: Path, only: str | None) -> None:
    draw_pictures(out / "images", PICTURES)
    for family, module in FAMILIES.items():
        if only in (None, family):
            kind = importlib.import_module(module)
            for name, shape in kind.SHAPES.items():
                make(out / family / name, out, False, build=kind.build, processor=kind.processor(), asked=prompts(), **shape)
            (out / family / "tables.json").write_text(json.dumps(kind.tables(), separators=(",", ":")) + "\n")


def prompts() -> list[dict]:
    def ask(name, *turns, gradients=False):
        return {"name": name, "messages": list(turns), "completion": "A calm lake, 3 dogs.", "gradients": gradients}

    def turn(*parts, role="user"):
        return {"role": role, "content": list(parts)}

    return [
        *(ask(file, turn(image(file), text("What mood does this picture show?")), gradients=file == "hall.jpg") for file in PICTURES),
        ask("two pictures", turn(text("First: "), image("tall.png"), text(" then "), image("room.png"), text("?")), gradients=True),
        ask(
            "a talk", turn(text("You look at pictures."), role="system"), turn(text("Look, naïve 東京 🙂:\n"), image("grey.png")),
            turn(text("It is light."), role="assistant"), turn(text("Why? 12.5%")),
        ),
        ask("words only", turn(text("Say  'hi' twice,\nplease: 12.5%"))),
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
