"""Writes large-logistic-cases.json: optima of logistic regressions on many rows, by scikit-learn.

python make_large_logistic_cases.py   (scikit-learn 1.9.1, NumPy 2.4.6)

The rows are not stored: tests/ml/logistic_large.rs makes the same ones from SplitMix64. The objective is the mean log
loss + l1 * sum|w| + l2 * sum w^2.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
np.seterr(over="ignore")


def uniform(count, stream):
    """Numbers in [0, 1): SplitMix64 of a counter that starts at stream * 2^40."""
    z = np.arange(count, dtype=np.uint64) + np.uint64(stream << 40)
    z = z * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def bell(count, stream):
    """Sums of four uniform numbers, with mean 0 and variance 1."""
    u = uniform(4 * count, stream).reshape(count, 4)
    return (u[:, 0] + u[:, 1] + u[:, 2] + u[:, 3] - 2.0) * 1.7320508075688772


def labels(features, weights, stream):
    return features @ weights + 2.0 * bell(len(features), stream) > 1.5


def dense():
    features = bell(20_000 * 30, 1).reshape(20_000, 30)
    return features, labels(features, bell(30, 2), 3)


def categories():
    rows = 12_000
    columns = [bell(rows * 3, 4).reshape(rows, 3)]
    for number, levels in enumerate((20, 15, 40)):
        # Squared, so that some levels are rare.
        level = (uniform(rows, 5 + number) ** 2 * levels).astype(int)
        columns.append((level[:, None] == np.arange(levels)).astype(float))
    features = np.hstack(columns)
    return features, labels(features, bell(78, 8), 9)


def objective(features, y, w, b, l1, l2):
    z = features @ w + b
    return float(np.logaddexp(0, np.where(y, -z, z)).mean() + l1 * np.abs(w).sum() + l2 * (w**2).sum())


cases = []
for name, make in (("dense", dense), ("categories", categories)):
    features, y = make()
    n = len(y)
    for l1, l2 in ((0.0, 1e-5), (0.0, 1e-2), (2e-3, 0.0), (1e-3, 1e-3)):
        r, C = l1 / (l1 + 2 * l2), 1 / (n * (l1 + 2 * l2))
        solver, tol = ("newton-cholesky", 1e-12) if l1 == 0 else ("saga", 1e-9)
        model = LogisticRegression(C=C, l1_ratio=r, solver=solver, tol=tol, max_iter=20_000, random_state=0)
        model.fit(features, y)
        value = objective(features, y, model.coef_[0], model.intercept_[0], l1, l2)
        cases.append({"rows": name, "positives": int(y.sum()), "l1": l1, "l2": l2, "objective": value,
                      "zero_weights": int((model.coef_[0] == 0).sum())})
        print(cases[-1], model.n_iter_)

pathlib.Path(__file__).with_name("large-logistic-cases.json").write_text(json.dumps(cases, indent=1) + "\n")
