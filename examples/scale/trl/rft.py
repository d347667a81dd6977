"""Stage 2, reinforcement: TRL's GRPO with the reward of Eq. 9, which the reward server computes by the example's id."""

from common import PrintSteps, load_model, load_processor, prompts, shared
from rise_reward import rise_reward
from trl import GRPOConfig, GRPOTrainer

args = GRPOConfig(**shared, num_generations=8, per_device_train_batch_size=16, max_completion_length=96)

GRPOTrainer(
    model=load_model(),
    reward_funcs=rise_reward,
    args=args,
    train_dataset=prompts("answer"),
    processing_class=load_processor(),
    callbacks=[PrintSteps()],
).train()
