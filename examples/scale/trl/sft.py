"""Stage 2, SFT: TRL's SFTTrainer on the samples that `exportCots` wrote. Only the completion carries loss."""

import os

from common import PrintSteps, load_model, load_processor, options, shared
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

samples = load_dataset("imagefolder", data_dir=os.path.join(options.data, "sft"), split="train")

SFTTrainer(
    model=load_model(),
    args=SFTConfig(**shared, per_device_train_batch_size=4, max_length=None),
    train_dataset=samples,
    processing_class=load_processor(),
    callbacks=[PrintSteps()],
).train()
