const systemTurn =
  "{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}";

/** Qwen3-VL's chat format, for checkpoints without a template. */
export const qwen3ChatTemplate = [
  "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}",
  "{%- for part in message.content %}",
  "{%- if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part.text }}{% endif %}",
  "{%- endfor %}{{ '<|im_end|>\\n' }}{% endfor %}",
  "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
].join("");

/** The same for Qwen2-VL and Qwen2.5-VL: a conversation begins with a system turn. */
export const qwen2ChatTemplate = systemTurn + qwen3ChatTemplate;
