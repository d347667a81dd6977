"""Stage 1: TRL's GRPO on pairs of a cot and its reconstruction. Both completions learn from the pair's reward, Eqs. 1 and 7.

A group of TRL's has 2G rows: even rows are cots, and each odd row is the reconstruction from the cot before it, whose prompt
the reward server writes. The loss of a pair is the sum over its two rows (loss_type "dapo", TRL's default, adds tokens up, so
that the rows need no weights).

Departures: one max_completion_length for both completions. TRL's methods that begin with _ may change: this is for TRL 1.16.
"""

import math

import torch
from common import PrintSteps, load_model, load_processor, prompts, shared
from rise_reward import ask
from trl import GRPOConfig, GRPOTrainer
from trl.data_utils import prepare_multimodal_messages


def pair_reward(completions, id, **_):
    """The reward of each pair, for both of its rows."""
    texts = [completion[0]["content"] for completion in completions]
    body = {"id": id[0::2], "cots": texts[0::2], "reconstructions": texts[1::2]}
    return [reward for reward in ask("/reward", body)["rewards"] for _ in range(2)]


class RiseCotTrainer(GRPOTrainer):
    sampled = None

    def _generate_and_score_completions(self, inputs):
        rows = [dict(row) for row in inputs]
        cots = self._sample(rows[0::2])
        texts = self.processing_class.batch_decode(cots, skip_special_tokens=True)
        body = {"id": [row["id"] for row in rows[0::2]], "cots": texts}
        for row, prompt in zip(rows[1::2], ask("/reconstruct", body)["prompts"], strict=True):
            row["prompt"] = prompt
        reconstructions = self._sample(rows[1::2])
        self.sampled = [ids for pair in zip(cots, reconstructions, strict=True) for ids in pair]
        output = super()._generate_and_score_completions(rows)
        advantages = output["advantages"]
        assert torch.equal(advantages[0::2], advantages[1::2]) and (output["completion_mask"].sum(1) > 0).all()
        # TRL divides by the standard deviation of 2G rewards, each of which is there twice: that is smaller than the
        # deviation of the G rewards by this factor.
        n = self.num_generations
        output["advantages"] = advantages * math.sqrt((n - 2) / (n - 1))
        return output

    def _sample(self, rows):
        messages = [prepare_multimodal_messages(row["prompt"], images=[row["image"]]) for row in rows]
        prompt_ids, images, fields = self._tokenize_prompts(messages)
        return super()._generate_single_turn(prompt_ids, images, fields, len(rows))[0]

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, **_):
        """Gives the completions that are sampled already."""
        sampled, self.sampled = self.sampled, None
        return sampled, None


if __name__ == "__main__":
    # G = 8 pairs.
    args = GRPOConfig(**shared, num_generations=16, per_device_train_batch_size=32, max_completion_length=64)
    RiseCotTrainer(
        model=load_model(),
        reward_funcs=pair_reward,
        args=args,
        train_dataset=prompts("cot"),
        processing_class=load_processor(),
        callbacks=[PrintSteps()],
    ).train()
