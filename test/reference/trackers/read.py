"""Reads a directory of event files as TensorBoard does: {tag: [[step, value], ...]}.

    python read.py DIR OUT.json
"""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
read = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
with open(sys.argv[2], "w") as out:
    json.dump(read, out)
