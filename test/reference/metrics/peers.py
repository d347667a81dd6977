"""What SciPy and pycocotools say of the cases in a JSON file (metricCases of cases.ts), as JSON."""

import contextlib
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import jensenshannon
from scipy.stats import bootstrap, permutation_test

CATEGORIES = ["cat", "dog", "mug"]


def accuracy(truth, prediction):
    """Of the labels that share the top, how many are right: np.argmax where none do."""
    right, found = (np.flatnonzero(np.equal(v, np.max(v))) for v in (truth, prediction))
    return float(np.isin(found, right).mean())


def win_rate(ours, baseline):
    difference = np.sign(np.subtract(ours, baseline))
    scores = (difference + 1) / 2
    interval = bootstrap((scores,), np.mean, n_resamples=2000, method="percentile", rng=0).confidence_interval
    return {"winRate": float(scores.mean()), "ties": int((difference == 0).sum()), "interval": [float(x) for x in interval]}


def difference_of_means(a, b, axis=-1):
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)


def paired(a, b):
    options = {"n_resamples": 20_000, "method": "percentile"}
    mean = bootstrap((a,), np.mean, rng=0, **options).confidence_interval
    difference = bootstrap((a, b), difference_of_means, paired=True, vectorized=True, rng=0, **options).confidence_interval
    test = permutation_test((a, b), difference_of_means, permutation_type="samples", vectorized=True, n_resamples=20_000, rng=0)
    ends = lambda interval: [float(x) for x in interval]
    return {"mean": ends(mean), "difference": ends(difference), "pValue": float(test.pvalue)}


def average_precision(rows):
    annotations, detections = [], []
    for row in rows:
        shared = {"image_id": row["image"], "category_id": CATEGORIES.index(row["category"]) + 1}
        for crowd, boxes in enumerate([row["truth"], row["crowds"]]):
            for b in boxes:
                annotations.append({**shared, "id": len(annotations) + 1, "bbox": b, "area": b[2] * b[3], "iscrowd": crowd})
        # Scores fall with the place in the answer, then with the area: how boxes without confidence are ranked.
        for rank, b in enumerate(row["prediction"]):
            detections.append({**shared, "bbox": b, "score": -rank + b[2] * b[3] / 1e7})
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in sorted({row["image"] for row in rows})],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CATEGORIES)],
        "annotations": annotations,
    }
    truth.createIndex()
    if not detections or not any(a["iscrowd"] == 0 for a in annotations):
        return None
    evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {"ap50": float(evaluation.stats[1]), "ap": float(evaluation.stats[0])}


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    overlap = max(0, width) * max(0, height)
    return overlap / (a[2] * a[3] + b[2] * b[3] - overlap)


def assigned(matrix, maximize):
    matrix = np.array(matrix, dtype=float)
    return float(matrix[linear_sum_assignment(matrix, maximize=maximize)].sum()) if matrix.size else 0.0


cases = json.loads(Path(sys.argv[1]).read_text())
with contextlib.redirect_stdout(io.StringIO()):
    figures = {
        "divergence": [float(jensenshannon(p, q)) ** 2 for p, q in cases["distributions"]],
        "accuracy": [accuracy(p, q) for p, q in cases["distributions"]],
        "winRate": [win_rate(*pair) for pair in cases["divergences"]],
        "paired": [paired(*pair) for pair in cases["paired"]],
        "averagePrecision": [average_precision(rows) for rows in cases["detections"]],
        "matchedIou": [assigned([[iou(a, b) for b in found] for a in truth], True) for truth, found in cases["boxes"]],
        "leastCost": [assigned(costs, False) for costs in cases["costs"]],
    }
print(json.dumps({"made": f"by metrics/peers.py with SciPy {version('scipy')} and pycocotools {version('pycocotools')}", **figures}))
