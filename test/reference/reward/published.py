"""What the formula of RISE's published reward gives, by SciPy's KL divergence and NumPy. Printed as JSON:

    python published.py > published.json

accuracy = exp(-KL/2 - MSE/2): KL(A || B) of vectors that were clipped at 1e-10 and then renormalised, the mean squared error of the raw ones.
B need not sum to 1. The sum term is exp(-|sum(B) - 1|), and the reward is accuracy + sum term where the thought has no decimal number.
The formula is put down from a description of the authors' code, not copied from it.
"""

import json

import numpy
import scipy
from scipy.stats import entropy

LABELS = ["anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"]


def figures(truth, prediction):
    a, b = (numpy.clip(vector, 1e-10, None) for vector in (truth, prediction))
    kl = entropy(a / a.sum(), b / b.sum())
    accuracy = numpy.exp(-0.5 * kl - 0.5 * numpy.mean((truth - prediction) ** 2))
    sum_term = numpy.exp(-abs(prediction.sum() - 1))
    return {"accuracy": accuracy, "sumTerm": sum_term, "reward": accuracy + sum_term}


rng = numpy.random.default_rng(0)
cases = []
for n in range(24):
    truth = rng.dirichlet(numpy.ones(len(LABELS)) * rng.choice([0.2, 1, 5])).round(4)
    prediction = (rng.dirichlet(numpy.ones(len(LABELS))) * rng.choice([0.3, 0.9, 1, 1.3, 2, 7])).round(4)
    if n % 4 == 1:
        prediction[rng.integers(len(LABELS), size=3)] = 0
    if n % 6 == 2:
        truth = numpy.eye(len(LABELS))[n % len(LABELS)]
    named = [dict(zip(LABELS, vector.tolist(), strict=True)) for vector in (truth, prediction)]
    cases.append({"truth": named[0], "prediction": named[1], **figures(truth, prediction)})
print(json.dumps({"versions": {"scipy": scipy.__version__}, "cases": cases}, indent=1))
