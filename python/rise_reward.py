"""The rewards of rise-ts in trainers that are written in Python: asks the server that `rewardServer` starts.

RISE_REWARD_URL and RISE_REWARD_TOKEN are the server's url and token. Only the standard library is needed.

| trainer | how it gets the rewards | the data set's column |
|---|---|---|
| TRL 1.16 | GRPOTrainer(reward_funcs=rise_reward) | id |
| ms-swift 4.6 | --external_plugins rise_reward.py --reward_funcs rise | id |
| verl 0.9 | reward.custom_reward_function.path=rise_reward.py | extra_info: {"id": ...} |
| OpenRLHF 0.11 | --reward.remote_url rise_reward.py --data.label_key id | id |
"""

import json
import os
import urllib.error
import urllib.request


def ask(path, body, timeout=120):
    """Posts to the server. Raises RuntimeError with the server's own words."""
    url = os.environ["RISE_REWARD_URL"].rstrip("/") + path
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer " + os.environ["RISE_REWARD_TOKEN"],
    }
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    # A proxy has no way to this machine's own addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        words = error.read().decode(errors="replace")
        raise RuntimeError(f"{url}: {error.code}: {words[:500]}") from None
    except urllib.error.URLError as error:
        raise RuntimeError(f"{url}: {error.reason}; is the reward server running?") from None


def rise_reward(completions, id, **_):
    """TRL and ms-swift: one reward for each completion."""
    return ask("/reward", {"completions": completions, "id": id})["rewards"]


def compute_score(data_source=None, solution_str="", ground_truth=None, extra_info=None, **_):
    """verl: the score of one completion, and its parts, which verl logs."""
    return ask("/reward", {"solution_str": solution_str, "extra_info": {"id": extra_info["id"]}})


def compute_scores(data_sources, solution_strs, ground_truths, extra_infos, **_):
    """verl with the reward manager "batch"."""
    ids = [{"id": info["id"]} for info in extra_infos]
    return ask("/reward", {"solution_strs": list(solution_strs), "extra_infos": ids})


def reward_func(queries, prompts, labels, **_):
    """OpenRLHF: the queries are prompt and completion, and the labels are ids."""
    return ask("/reward", {"query": queries, "prompts": prompts, "labels": labels})


try:
    from swift.rewards import ORM, orms
except ImportError:
    pass
else:

    class RiseReward(ORM):
        def __call__(self, completions, id, **_):
            return rise_reward(completions, id)

    orms["rise"] = RiseReward
