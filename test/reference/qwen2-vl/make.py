"""Records what transformers computes with a tiny random Qwen2-VL.

    pip install -r requirements.txt
    python make.py ../data/qwen2-vl-tiny

Writes a checkpoint directory as transformers saves it, a few pictures, `cases.json` (token ids, grids, text) and `arrays.safetensors`
(everything else). Attention is eager, numbers are float32, the image processor is the one that AutoProcessor takes: torchvision's. Every random
number is seeded.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torchvision.transforms.v2 import functional as tvF
from transformers import Qwen2Tokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.image_transforms import convert_to_rgb
from transformers.image_utils import load_image
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor, smart_resize
from transformers.vision_utils import get_vision_position_ids

from tiny import CHAT_TEMPLATE, CORPUS, PROMPTS, SPECIALS, write_pictures

STEPS = 24
PENALTY = 1.5


def main(out: Path) -> None:
    checkpoint = out / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    write_pictures(out / "images")
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(checkpoint)
    processor = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=28 * 28 * 12)
    processor.save_pretrained(checkpoint)
    model = build_model(tokenizer)
    model.save_pretrained(checkpoint)

    arrays: dict[str, torch.Tensor] = {}
    cases = [record(model, tokenizer, processor, out, prompt, arrays) for prompt in PROMPTS]
    save_file({name: array.detach().contiguous().clone() for name, array in arrays.items()}, out / "arrays.safetensors")
    figures = {
        "cases": cases,
        "pictures": [picture(processor, path) for path in sorted((out / "images").iterdir())],
        "settings": [{"settings": settings, "pixelValuesSha256": wide_picture(out, settings)} for settings in SETTINGS],
        "smartResize": [resized(*size) for size in SIZES],
        "texts": [{"text": text, "ids": tokenizer.encode(text)} for text in TEXTS],
    }
    (out / "cases.json").write_text(json.dumps(figures, indent=1, ensure_ascii=True) + "\n")


SIZES = [(h, w, f, lo, hi) for h, w in [(70, 70), (42, 98), (28, 28), (1, 200), (1080, 1920), (13, 700), (364, 1001), (3000, 4001)]
         for f, lo, hi in [(28, 3136, 12845056), (28, 3136, 401408), (8, 64, 1024)]]
SETTINGS = [
    {"rescale_factor": 1 / 127.5, "image_mean": [1, 1.5, 0.5], "image_std": [1, 0.3, 2.5]}, {"do_rescale": False}, {"do_normalize": False},
    {"do_rescale": False, "do_normalize": False},
]
TEXTS = ["A calm blue lake.", "I'm 42% sure\n\n  twice: 3.14", "naïve café – 東京 🙂", "", "  two spaces ", "it's\tTAB's\r\nend"]


def build_tokenizer() -> Qwen2Tokenizer:
    # Merges are learnt on the pieces that Qwen2's own pre-tokenizer makes.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    blank = Qwen2Tokenizer(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[])
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = blank.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=256 + 28, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator(CORPUS, trainer)
    learnt = json.loads(learner.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=learnt["vocab"], merges=[tuple(pair) for pair in learnt["merges"]], eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=SPECIALS,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


TEXT = dict(hidden_size=64, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
VISION = dict(depth=2, embed_dim=32, num_heads=2, mlp_ratio=2)


def build_model(tokenizer: Qwen2Tokenizer, text=TEXT, vision=VISION, tied=True, sections=(2, 3, 3), seed=2508) -> Qwen2VLForConditionalGeneration:
    config = Qwen2VLConfig(
        text_config=text_settings(tokenizer, text, tied, sections), vision_config=vision | dict(hidden_size=text["hidden_size"]),
        tie_word_embeddings=tied, **marks(tokenizer),
    )
    return randomise(Qwen2VLForConditionalGeneration(eager(config)), tokenizer, seed)


def text_settings(tokenizer, text, tied, sections) -> dict:
    token = tokenizer.convert_tokens_to_ids
    return text | dict(
        vocab_size=len(tokenizer), rms_norm_eps=1e-6, max_position_embeddings=512, tie_word_embeddings=tied,
        rope_parameters=dict(rope_type="default", rope_theta=1e6, mrope_section=list(sections)),
        bos_token_id=None, eos_token_id=token("<|im_end|>"), pad_token_id=token("<|endoftext|>"),
    )


def marks(tokenizer) -> dict:
    token = tokenizer.convert_tokens_to_ids
    return dict(
        image_token_id=token("<|image_pad|>"), video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"), vision_end_token_id=token("<|vision_end|>"),
    )


def eager(config):
    config._attn_implementation = "eager"
    return config


def randomise(model, tokenizer, seed):
    """Writes seeded noise into every parameter, whichever the family."""
    token = tokenizer.convert_tokens_to_ids
    model = model.float().eval()
    model.generation_config.eos_token_id = [token("<|im_end|>"), token("<|endoftext|>")]
    model.generation_config.pad_token_id = token("<|endoftext|>")
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=random)
            norm = ("norm" in name or "ln_q" in name) and name.endswith("weight")
            # Short embeddings and a long last norm: layers, not the last token's own embedding, decide what comes next.
            size = 0.05 if "embed_tokens" in name else 0.25 if ".layers." in name else 0.1
            parameter.copy_((1 + 0.1 * noise) * (5 if name.endswith("language_model.norm.weight") else 1) if norm else noise * size)
    return model


def record(model, tokenizer, processor, out: Path, prompt, arrays, steps=STEPS) -> dict:
    name, messages = prompt["name"], prompt["messages"]
    images = [load_image(str(out / "images" / part["image"])) for m in messages for part in m["content"] if part["type"] == "image"]
    pictures = processor(images=images, return_tensors="pt") if images else None
    grids = pictures["image_grid_thw"] if pictures else None
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    pieces = text.split("<|image_pad|>")
    counts = [int(grid.prod()) // 4 for grid in grids] if pictures else []
    expanded = pieces[0] + "".join("<|image_pad|>" * n + piece for n, piece in zip(counts, pieces[1:], strict=True))
    ids = tokenizer.encode(expanded)
    completion = tokenizer.encode(prompt["completion"]) + [tokenizer.eos_token_id]

    def inputs(tokens):
        tokens = torch.tensor([tokens])
        found = dict(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        kinds = (tokens == model.config.image_token_id).int()
        return found | (dict(mm_token_type_ids=kinds, **pictures) if pictures else {})

    whole = ids + completion
    if pictures:
        positions, deltas = model.model.get_rope_index(torch.tensor([whole]), inputs(whole)["mm_token_type_ids"], grids)
        following = len(whole) + int(deltas[0, 0])
        arrays[f"{name}/features"] = torch.cat(model.model.get_image_features(**pictures).pooler_output)
        angles = [rotary_of(model, grid) for grid in grids]
        arrays[f"{name}/visionCos"], arrays[f"{name}/visionSin"] = (torch.cat(part) for part in zip(*angles))
        if prompt.get("pixels", name == "one picture"):
            arrays[f"{name}/pixelValues"] = pictures["pixel_values"]
    else:
        positions = torch.arange(len(whole)).expand(3, 1, -1)
        following = len(whole)
    cos, sin = model.model.language_model.rotary_emb(torch.zeros(1), positions)
    half = cos.shape[-1] // 2
    arrays[f"{name}/cos"], arrays[f"{name}/sin"] = cos[0, :, :half], sin[0, :, :half]

    model.zero_grad()
    logits = model(**inputs(whole)).logits[0, len(ids) - 1 : -1]
    log_probs = logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]
    cotangent = torch.randn(len(completion), generator=torch.Generator().manual_seed(len(ids)))
    (log_probs * cotangent).sum().backward()
    gradients = {canonical(n): p.grad for n, p in model.named_parameters() if p.grad is not None}
    arrays[f"{name}/logits"], arrays[f"{name}/logProbs"], arrays[f"{name}/cotangent"] = logits, log_probs, cotangent
    if prompt["gradients"]:
        arrays.update({f"{name}/gradient/{n}": g for n, g in gradients.items()})

    return {
        "name": name,
        "messages": messages,
        "completion": prompt["completion"],
        "ids": ids,
        "completionIds": completion,
        "grids": grids.tolist() if pictures else [],
        "positions": positions[:, 0].tolist(),
        "next": following,
        "pixelValuesSha256": sha256(pictures["pixel_values"].numpy()) if pictures else None,
        "gradientNorms": {n: float(g.norm()) for n, g in gradients.items()},
        "greedy": greedy(model, inputs, ids, steps),
        "penalised": greedy(model, inputs, ids, steps, penalty=PENALTY),
        "written": forced(model, inputs, ids, [model.config.image_token_id, *completion[:3], *picture_tokens(model.config), completion[-1]]),
    }


@torch.no_grad()
def greedy(model, inputs, ids, steps, penalty=1.0) -> dict:
    """
    Tokens of transformers' own generate, never one that stands for a picture, and by how much each one's logit, with the repetition penalty,
    beats the runner-up's. Log-probabilities are raw, of the whole vocabulary.
    """
    settings = dict(do_sample=False, max_new_tokens=steps, repetition_penalty=penalty, suppress_tokens=sorted({*picture_tokens(model.config)}))
    made = model.generate(**inputs(ids), **settings, return_dict_in_generate=True, output_logits=True, output_scores=True)
    told = made.sequences[0, len(ids) :].tolist()
    best = torch.cat(made.scores).topk(2).values
    raw = torch.cat(made.logits).log_softmax(-1)
    return {"ids": told, "logProbs": raw[range(len(told)), told].tolist(), "smallestMargin": float((best[:, 0] - best[:, 1]).min())}


def picture_tokens(config) -> list[int]:
    return [config.vision_start_token_id, config.image_token_id, config.image_token_id, config.vision_end_token_id, config.video_token_id]


@torch.no_grad()
def forced(model, inputs, ids, tokens) -> dict:
    """Log-probabilities with which transformers' generate writes these tokens, when it has no choice and nothing ends it."""
    only = lambda _, seen: [tokens[len(seen) - len(ids)]]  # noqa: E731
    made = model.generate(
        **inputs(ids), do_sample=False, max_new_tokens=len(tokens), eos_token_id=model.config.text_config.vocab_size, prefix_allowed_tokens_fn=only, return_dict_in_generate=True, output_logits=True
    )
    raw = torch.cat(made.logits).log_softmax(-1)
    return {"ids": tokens, "logProbs": raw[range(len(tokens)), tokens].tolist()}


def rotary_of(model, grid):
    cos, sin = model.model.visual.rotary_pos_emb(torch.zeros(1), get_vision_position_ids(grid[None], 2))
    half = cos.shape[-1] // 2
    return cos[:, :half], sin[:, :half]


def canonical(name: str) -> str:
    """The names of Qwen's published files."""
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


def picture(processor, path: Path) -> dict:
    image = load_image(str(path))
    # The processor paints white what load_image leaves of a transparent colour.
    pixels = convert_to_rgb(image, return_numpy=True)
    height, width = smart_resize(image.height, image.width, 28, 56 * 56, 28 * 28 * 12)
    channels_first = torch.from_numpy(pixels).permute(2, 0, 1)
    resized_pixels = tvF.resize(channels_first, [height, width], interpolation=tvF.InterpolationMode.BICUBIC, antialias=True)
    values = processor(images=[image], return_tensors="pt")
    return {
        "file": path.name,
        "size": [image.width, image.height],
        "sha256": sha256(pixels),
        "mean": float(pixels.mean()),
        "resizedTo": [width, height],
        "resizedSha256": sha256(resized_pixels.permute(1, 2, 0).numpy()),
        "grid": values["image_grid_thw"][0].tolist(),
        "pixelValuesSha256": sha256(values["pixel_values"].numpy()),
    }


def wide_picture(out: Path, settings) -> str:
    processor = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=28 * 28 * 12, **settings)
    values = processor(images=[load_image(str(out / "images" / "wide.png"))], return_tensors="pt")["pixel_values"]
    return sha256(values.to(torch.float32).numpy())


def resized(height, width, factor, min_pixels, max_pixels) -> dict:
    arguments = [height, width, factor, min_pixels, max_pixels]
    try:
        return {"arguments": arguments, "size": list(smart_resize(*arguments))}
    except ValueError:
        return {"arguments": arguments, "size": None}


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
