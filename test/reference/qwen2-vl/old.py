"""Records what old versions of transformers save and compute: they leave out of config.json what equals the defaults of its classes.

    for version in 4.46.3 4.48.3 4.49.0: pip install transformers==VERSION, then
    python old.py ../data/old-transformers/VERSION

A random Qwen2-VL in bfloat16, its tokenizer (the one of ../data/qwen2-vl-tiny) and its image processor, each with `save_pretrained`;
and `case.json`: one prompt with a picture (fits.png of that folder), its token ids and their log-probs in float32.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from PIL import Image
from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessor

TINY = Path(__file__).parent / ".." / "data" / "qwen2-vl-tiny"

# Each leaves other keys of `vision_config` out; a file with all defaults has 7 billion parameters.
TOWERS = {
    "4.46.3": dict(embed_dim=8, num_heads=2, mlp_ratio=2),
    "4.48.3": dict(depth=1, embed_dim=64),
    "4.49.0": dict(depth=2, embed_dim=32, num_heads=4, mlp_ratio=4, patch_size=14),
}
TEXT = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=8, vocab_size=291, max_position_embeddings=512)


def main(out: Path) -> None:
    version = transformers.__version__
    torch.manual_seed(1)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(TINY / "checkpoint" / "tokenizer.json"))
    tokenizer.chat_template = (TINY / "checkpoint" / "chat_template.jinja").read_text()
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad", "vision_start", "vision_end", "im_end")}
    config = Qwen2VLConfig(
        **TEXT,
        vision_config=TOWERS[version] | {"hidden_size": TEXT["hidden_size"], "in_chans": 3, "spatial_patch_size": 14},
        rope_scaling={"type": "mrope", "mrope_section": [0, 1, 1]},
        image_token_id=ids["image_pad"], video_token_id=ids["video_pad"], vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"], eos_token_id=ids["im_end"],
    )  # fmt: skip
    model = Qwen2VLForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape) + (1 if parameter.dim() == 1 else 0))
    checkpoint = out / "checkpoint"
    model.to(torch.bfloat16).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    processor = Qwen2VLImageProcessor()
    processor.save_pretrained(checkpoint)

    loaded = Qwen2VLForConditionalGeneration.from_pretrained(checkpoint, torch_dtype=torch.float32, attn_implementation="eager").eval()
    picture = processor(images=[Image.open(TINY / "images" / "fits.png").convert("RGB")], return_tensors="pt")
    places = int(picture["image_grid_thw"].prod()) // 4
    content = [{"type": "image"}, {"type": "text", "text": "What mood does this picture show?"}]
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True)
    tokens = tokenizer(prompt.replace("<|image_pad|>", "<|image_pad|>" * places), add_special_tokens=False)["input_ids"]
    completion = tokenizer("A calm lake, 3 dogs.", add_special_tokens=False)["input_ids"]
    both = torch.tensor([tokens + completion])
    # 4.46 computes them for generation only; a forward pass of its own would count a picture's tokens as words.
    positions, _ = loaded.get_rope_index(both, picture["image_grid_thw"])
    with torch.no_grad():
        logits = loaded(input_ids=both, attention_mask=torch.ones_like(both), position_ids=positions, **picture).logits
    scored = logits[0, len(tokens) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]
    case = {"transformers": version, "torch": torch.__version__, "ids": tokens, "completionIds": completion, "logProbs": scored.tolist()}
    (out / "case.json").write_text(json.dumps(case) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
