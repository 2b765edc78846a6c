"""Writes logistic-cases.json: optima of penalised logistic regression by scikit-learn.

python make_logistic_cases.py   (scikit-learn 1.9.1, NumPy 2.4.6)

The objective is the one Evenkeel minimises: the mean weighted log loss + l1 * sum|w| + l2 * sum w^2.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
rng = np.random.RandomState(11)
n, p = 240, 8
X = rng.randn(n, p)
X[:, 5] = X[:, 0] + 0.1 * rng.randn(n)  # nearly collinear
X[:, 6] = (rng.rand(n) < 0.2).astype(float)
X = X.round(6)
y = (rng.rand(n) < 1 / (1 + np.exp(-(X @ np.array([1.5, -1, 0.5, 0, 0, 0.2, 1.0, 0]) - 2.2)))).astype(int)


def objective(w, b, l1, l2, weights):
    c = np.where(y == 1, weights[1], weights[0])
    z = X @ w + b
    loss = np.logaddexp(0, np.where(y == 1, -z, z))
    return float((c * loss).sum() / c.sum() + l1 * np.abs(w).sum() + l2 * (w**2).sum())


cases = []
balanced = {0: n / (2 * (y == 0).sum()), 1: n / (2 * (y == 1).sum())}
for weights in ({0: 1.0, 1: 1.0}, balanced, {0: 1.0, 1: 7.5}):
    total = np.where(y == 1, weights[1], weights[0]).sum()
    for l1, l2 in ((0.0, 1e-4), (0.0, 0.05), (0.01, 0.0), (0.05, 0.0), (0.004, 0.003), (0.03, 0.02)):
        # scikit-learn: C * sum(s * loss) + (1 - r) / 2 * |w|^2 + r * |w|_1
        r = l1 / (l1 + 2 * l2)
        C = 1 / (total * (l1 + 2 * l2))
        solver = "newton-cholesky" if l1 == 0 else "saga"
        model = LogisticRegression(
            C=C, l1_ratio=r, solver=solver, tol=1e-13, max_iter=2_000_000, class_weight=weights, random_state=0
        ).fit(X, y)
        w, b = model.coef_[0], model.intercept_[0]
        cases.append({"l1": l1, "l2": l2, "negative_weight": weights[0], "positive_weight": weights[1],
                      "objective": objective(w, b, l1, l2, weights), "weights": w.tolist(), "intercept": float(b)})

out = {"features": X.tolist(), "labels": y.tolist(), "cases": cases}
pathlib.Path(__file__).with_name("logistic-cases.json").write_text(json.dumps(out))
