"""TRL's trainers without their constructors: no model, no data; the log-probs of a case stand in for what a model would compute.

All else is TRL's code. A case is what live.ts writes.
"""

from collections import defaultdict
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from trl import GRPOTrainer, RLOOTrainer

ACCELERATOR = Accelerator(cpu=True)
PAD, EOS, WORD = 0, 1, 2


def rows(ragged, fill=0.0):
    width = max(map(len, ragged))
    return torch.tensor([[float("nan") if x is None else x for x in row] + [fill] * (width - len(row)) for row in ragged])


class Stand:
    """Everything that a trainer asks of its surroundings."""

    def stand(self, case):
        settings = case["settings"]
        self.case, self.policy, self.accelerator = case, SimpleNamespace(training=True, is_gradient_checkpointing=False), ACCELERATOR
        self.model, self.ref_model = self.policy, SimpleNamespace()
        self._tokenizer = SimpleNamespace(pad_token_id=PAD, eos_token_id=EOS)
        self.processing_class = SimpleNamespace(batch_decode=lambda ids, **_: [""] * len(ids))
        self.args = SimpleNamespace(
            per_device_train_batch_size=None, gradient_checkpointing_kwargs=None, report_to=[],
            gradient_accumulation_steps=settings["accumulationSteps"], steps_per_generation=settings["stepsPerGeneration"],
            use_bias_correction_kl=settings["klImportanceWeight"], delta=settings["delta"],
            sapo_temperature_pos=settings["sapo"]["temperaturePositive"], sapo_temperature_neg=settings["sapo"]["temperatureNegative"],
            vespo_k_pos=settings["vespo"]["kPositive"], vespo_lambda_pos=settings["vespo"]["lambdaPositive"],
            vespo_k_neg=settings["vespo"]["kNegative"], vespo_lambda_neg=settings["vespo"]["lambdaNegative"],
        )
        self.eos_token_ids = [EOS]
        self.environment_factories = self.environments = self.tools = self.pad_to_multiple_of = None
        self.use_adaptive_entropy = self.aux_loss_enabled = self.log_multimodal = False
        self.reward_clip_range, self.normalize_advantages = None, False
        self.num_generations, self.num_iterations = settings["groupSize"], 2 if settings["useOld"] else 1
        self.current_gradient_accumulation_steps = settings["accumulationSteps"]
        self.mask_truncated_completions = settings["maskTruncated"]
        self.beta, self.loss_type = settings["beta"], settings["lossType"]
        self.importance_sampling_level = settings["importanceLevel"]
        self.epsilon_low, self.epsilon_high = settings["epsilon"], settings["epsilonHigh"]
        self.max_completion_length = settings["maxLength"]
        self.scale_rewards, self.multi_objective_aggregation = settings["scale"], settings["aggregation"]
        self.off_policy_mask_threshold = settings["offPolicyThreshold"]
        self.top_entropy_quantile, self.entropy_coef = settings["topEntropy"], settings["entropyCoefficient"]
        self._entropy_bonus_enabled = self.entropy_coef != 0.0
        sampler = settings["sampler"]
        self.use_vllm = self.vllm_importance_sampling_correction = sampler is not None
        if sampler is not None:
            self.vllm_importance_sampling_mode = f"{sampler['level']}_{sampler['outside']}"
            self.vllm_importance_sampling_clip_min, self.vllm_importance_sampling_clip_max = sampler["min"], sampler["max"]
        self.reward_weights = torch.tensor(settings["weights"])
        self.reward_func_names = [f"reward {k}" for k in range(len(settings["weights"]))]
        self.reward_funcs = self.reward_func_names
        self._metrics = {"train": defaultdict(list)}
        self._logs = defaultdict(list, rewards=defaultdict(list), extra=defaultdict(list))
        self._pending_extra_logs, self._pending_metrics = {}, {}
        self.state = SimpleNamespace(num_input_tokens_seen=0, global_step=0)
        return self

    def completions(self):
        return [
            [WORD] * (len(row) - 1) + [WORD if cut else EOS]
            for row, cut in zip(self.case["logProbs"], self.case["truncated"], strict=True)
        ]

    def _calculate_rewards(self, *_):
        return rows(self.case["rewards"])

    def _get_per_token_logps_and_entropies(self, model, *_, compute_entropy=False, **__):
        if compute_entropy:
            return self.log_probs, self.entropies, None
        return rows(self.case["refLogProbs" if model is self.ref_model else "oldLogProbs"]), None, None

    def figures(self):
        inputs = self._generate_and_score_completions([{"prompt": ""}] * len(self.case["rewards"]))
        self.log_probs = rows(self.case["logProbs"]).requires_grad_()
        self.entropies = rows(self.case["entropies"]).requires_grad_()
        loss = self._compute_loss(self.model, inputs)
        both = torch.autograd.grad(loss, [self.log_probs, self.entropies], allow_unused=True, materialize_grads=True)
        lengths = [len(row) for row in self.case["logProbs"]]
        gradient, entropy_gradient = ([row[:length].tolist() for row, length in zip(rows, lengths, strict=True)] for rows in both)
        return {
            "advantages": inputs["advantages"].tolist(),
            "loss": loss.item(),
            "gradient": gradient,
            "entropyGradient": entropy_gradient,
        }


class Grpo(Stand, GRPOTrainer):
    def _generate(self, prompts):
        completions = self.completions()
        return [[WORD]] * len(prompts), completions, self.case["mask"], completions, self.case["samplingLogProbs"], {}, None, []


class Rloo(Stand, RLOOTrainer):
    def _generate(self, prompts):
        completions = self.completions()
        return [[WORD]] * len(prompts), completions, completions
