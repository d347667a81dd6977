"""The published formulas of both similarities with SciPy and NumPy, timed. Called by rewards.ts with the work as JSON; one round a line read."""

import json
import os
import sys
import time
from pathlib import Path

# One core, as the other side: before NumPy asks.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np  # noqa: E402
import scipy  # noqa: E402
from scipy.optimize import linear_sum_assignment  # noqa: E402
from scipy.special import rel_entr  # noqa: E402

EPSILON = 1e-10
work = json.loads(Path(sys.argv[1]).read_text())


def classification(truth, prediction):
    """RISE, Eqs. 2-5, KLD on the renormalised prediction."""
    a, b = np.array(list(truth.values())), np.array(list(prediction.values()))
    p, q = a / a.sum(), b / b.sum()
    divergence = rel_entr(np.where(p > 0, p, EPSILON), np.where(q > 0, q, EPSILON)).sum()
    return np.exp(-(divergence + np.mean((a - b) ** 2)) - abs(np.log10(b.sum() / a.sum())))


def detection(truth, prediction):
    """RISE, Eq. 6."""
    a, b = np.array(truth)[:, None], np.array(prediction)[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    overlap = np.prod(np.clip(high - low, 0, None), axis=-1)
    ious = overlap / (np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - overlap)
    return ious[linear_sum_assignment(ious, maximize=True)].sum() / len(truth)


print(json.dumps({"numpy": np.__version__, "scipy": scipy.__version__}), flush=True)
for line in sys.stdin:
    name = json.loads(line)
    similarity = classification if name == "classification" else detection
    start = time.perf_counter()
    total = sum(similarity(truth, prediction) for truth, prediction in work[name])
    print(json.dumps({"ms": 1000 * (time.perf_counter() - start), "total": float(total)}), flush=True)
