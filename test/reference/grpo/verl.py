"""Has verl's own core_algos.py compute advantages, losses with dLoss/dLogProb, and KL estimates of each case, in float64.

    pip install --no-deps --target FOLDER -r verl.txt
    python verl.py FOLDER CASES

CASES is a JSON file with a list of cases (see verl.ts); the figures are printed as JSON.

verl's packages import Ray, tensordict and servers when they are imported, and core_algos.py needs none of them. Empty modules stand in for
those packages and for the class that a configuration is an instance of. The numbers of the configuration are those of verl's own actor.yaml,
with what a case changes. All arithmetic is verl's.
"""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch

folder, cases = sys.argv[1:]
sys.path.insert(0, folder)
from omegaconf import OmegaConf  # noqa: E402

torch.set_default_dtype(torch.float64)


def stand_in(name, **contents):
    module = sys.modules[name] = ModuleType(name)
    module.__path__ = [str(Path(folder, *name.split(".")))]
    vars(module).update(contents)


class Config(dict):
    __getattr__ = dict.__getitem__


for package in ["verl", "verl.utils", "verl.trainer", "verl.trainer.ppo", "verl.workers"]:
    stand_in(package)
stand_in("verl.workers.config", ActorConfig=Config)
stand_in("tensordict", TensorDict=None)
groupwise = importlib.import_module("verl.utils.groupwise")
stand_in("verl.utils", as_torch_index=groupwise.as_torch_index, group_mean_std=groupwise.group_mean_std)
core = importlib.import_module("verl.trainer.ppo.core_algos")
whiten = importlib.import_module("verl.utils.torch_functional").masked_whiten

DEFAULTS = OmegaConf.load(Path(folder, "verl/trainer/config/actor/actor.yaml"))


def configuration(changes):
    """verl's defaults of what losses read, with a case's changes; names with a dot belong to policy_loss."""
    names = ["clip_ratio", "clip_ratio_low", "clip_ratio_high", "clip_ratio_c", "loss_agg_mode", "loss_scale_factor", "tau_pos", "tau_neg"]
    config = Config({name: DEFAULTS[name] for name in names}, global_batch_info={})
    # clip_ratio_low and clip_ratio_high hide clip_ratio where they are given.
    config.update({name: value for name, value in changes.items() if "." not in name})
    own = {name: value for name, value in DEFAULTS.policy_loss.items() if name not in ("_target_", "rollout_correction")}
    own.update({name.split(".")[1]: value for name, value in changes.items() if "." in name})
    config["policy_loss"] = SimpleNamespace(**own)
    if config.loss_scale_factor is not None:
        config["global_batch_info"] = {"loss_scale_factor": config.loss_scale_factor}
    return config


def padded(ragged, fill=0.0):
    width = max(1, *map(len, ragged))
    return torch.tensor([list(row) + [fill] * (width - len(row)) for row in ragged], dtype=torch.float64)


def listed(tensor, like):
    return [row[: len(kept)].tolist() for row, kept in zip(tensor, like, strict=True)]


def advantages(case, name):
    mask, groups = padded(case["mask"]), np.array(case["groups"])
    on_last_token = torch.zeros_like(mask)
    for i, row in enumerate(case["mask"]):
        if 1 in row:
            on_last_token[i, len(row) - 1 - row[::-1].index(1)] = case["rewards"][i]
    given = {"token_level_rewards": on_last_token, "response_mask": mask}
    config = Config(gamma=case["gamma"], norm_adv_by_std_in_grpo=True)
    if name == "gae":
        rewards = padded(case["tokenRewards"])
        return core.compute_gae_advantage_return(rewards, padded(case["values"]), mask, case["gamma"], case["lambda"])[0]
    if name == "reinforce_plus_plus_tokens":
        return core.compute_reinforce_plus_plus_outcome_advantage(padded(case["tokenRewards"]), mask, config=config)[0]
    if name == "remax":
        return core.compute_remax_outcome_advantage(**given, reward_baselines=torch.tensor(case["greedyRewards"], dtype=torch.float64))[0]
    if name == "reinforce_plus_plus":
        return core.compute_reinforce_plus_plus_outcome_advantage(**given, config=Config(gamma=1.0))[0]
    if name == "gdpo_parts":
        # gdpo turns rewards into float32; this is the same, put together from the functions that it calls, in float64.
        sum_of_scores = 0
        for column, weight in zip(zip(*case["rewardsPerFunction"], strict=True), case["weights"], strict=True):
            rewards = torch.tensor(column, dtype=torch.float64).unsqueeze(-1) * torch.nn.functional.one_hot(torch.zeros(len(column), dtype=int), mask.shape[1])
            sum_of_scores = sum_of_scores + weight * core.compute_grpo_outcome_advantage(rewards, mask, groups)[0]
        return whiten(sum_of_scores, mask) * mask
    if name == "gdpo":
        columns = {f"reward {k}": np.array(column) for k, column in enumerate(zip(*case["rewardsPerFunction"], strict=True))}
        config = Config(gdpo_reward_keys=list(columns), gdpo_reward_weights=case["weights"])
        batch = {"prompts": torch.zeros(len(groups), 1), "attention_mask": torch.cat([torch.ones(len(groups), 1), torch.ones_like(mask)], 1).long()}
        return core.compute_gdpo_outcome_advantage(**given, index=groups, config=config, non_tensor_batch=columns, batch=batch)[0]
    return core.get_adv_estimator_fn(name)(**given, index=groups, config=config)[0]


def loss(case, name):
    log_probs = padded(case["logProbs"]).requires_grad_()
    config = configuration(case["config"])
    value, _ = core.get_policy_loss_fn(name)(
        padded(case["oldLogProbs"]), log_probs, padded(case["advantages"]), padded(case["mask"]), config.loss_agg_mode, config
    )
    (gradient,) = torch.autograd.grad(value, log_probs)
    return {"loss": value.item(), "gradient": listed(gradient, case["logProbs"])}


def kl(case, name):
    log_probs = padded(case["logProbs"]).requires_grad_()
    value = core.kl_penalty(log_probs, padded(case["refLogProbs"]), name)
    (gradient,) = torch.autograd.grad(value.sum(), log_probs)
    return {"values": listed(value.detach(), case["logProbs"]), "gradient": listed(gradient, case["logProbs"])}


def figures(case):
    if case["kind"] == "advantages":
        return {name: listed(advantages(case, name), case["mask"]) for name in case["names"]}
    return {name: (loss if case["kind"] == "loss" else kl)(case, name) for name in case["names"]}


# opo divides 0 by 0 in a group of masked completions; JSON has no NaN.
print(json.dumps([figures(case) for case in json.loads(Path(cases).read_text())]).replace("NaN", "null"))
