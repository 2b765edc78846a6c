"""Times Evenkeel's logistic regression against scikit-learn's, on the same rows and in the same run.

    pip install scikit-learn pandas
    cargo bench --bench logistic --no-run
    python benches/peers/logistic.py --adult adult-train.csv [--threads 1] [--case adult-l2 ...] [--repeats 5]

`adult-train.csv` is UCI's Adult with a header, `income` last and missing values empty. Its numeric columns are
standardised and its categories one-hot, a missing one too, to 108 columns; in `adult-scaled` those are standardised as
well, which leaves no zeros. `million` is 1,000,000 x 30 by scikit-learn's `make_classification`, 1 % positive, with
columns that repeat others; in `independent` columns are independent. `wide` is 4,000 x 3,000.

Each solver of scikit-learn that has the penalty runs with its own default tolerance and with a tighter one. `gap` is
how far the objective that it reached lies above the least that anyone reached, relative to that; every objective is
computed here, from the coefficients. Evenkeel runs with its default tolerance.
"""

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[2]


def adult(path):
    table = pd.read_csv(path)
    labels = (table.pop("income").str.strip() == ">50K").to_numpy()
    numeric = table.select_dtypes("number")
    scaled = (numeric - numeric.mean()) / numeric.std(ddof=0)
    categories = pd.get_dummies(table.drop(columns=numeric.columns).fillna("missing"))
    return np.ascontiguousarray(np.hstack([scaled, categories]), dtype=np.float64), labels


def scaled(rows):
    features, labels = rows
    return (features - features.mean(0)) / features.std(0), labels


def imbalanced():
    """One in a hundred is positive; five columns are sums of others."""
    return scaled(make_classification(
        n_samples=1_000_000, n_features=30, n_informative=10, n_redundant=5, n_repeated=0, n_clusters_per_class=2,
        weights=[0.99], flip_y=0.0, class_sep=1.0, shuffle=True, random_state=1))


def independent(rows, columns):
    chance = np.random.default_rng(42)
    weights = 0.5 * chance.standard_normal(columns)
    features = chance.standard_normal((rows, columns))
    return features, chance.random(rows) < 1 / (1 + np.exp(2.0 - features @ weights))


def wide(rows, columns):
    chance = np.random.default_rng(7)
    weights = np.zeros(columns)
    weights[:20] = chance.standard_normal(20)
    features = chance.standard_normal((rows, columns))
    return features, chance.random(rows) < 1 / (1 + np.exp(1.0 - features @ weights))


# The solvers of scikit-learn for a penalty, each with its tolerances.
L2 = [("lbfgs", [1e-4, 1e-8]), ("newton-cholesky", [1e-4, 1e-8]), ("liblinear", [1e-4]), ("newton-cg", [1e-4])]
L1 = [("liblinear", [1e-4, 1e-8]), ("saga", [1e-4])]
ELASTIC = [("saga", [1e-4])]
# Rows, C, l1_ratio and solvers.
CASES = {
    "adult-l2": ("adult", 1.0, 0.0, L2),
    "adult-l1": ("adult", 0.1, 1.0, L1),
    "adult-elastic": ("adult", 0.1, 0.5, ELASTIC),
    "adult-scaled-l2": ("adult-scaled", 1.0, 0.0, L2),
    "million-l2": ("million", 1.0, 0.0, [("lbfgs", [1e-4, 1e-8]), ("newton-cholesky", [1e-4, 1e-8])]),
    "million-l1": ("million", 0.001, 1.0, L1),
    "independent-l2": ("independent", 1.0, 0.0, [("lbfgs", [1e-4, 1e-8]), ("newton-cholesky", [1e-4, 1e-8])]),
    "wide-l2": ("wide", 0.01, 0.0, [("lbfgs", [1e-4, 1e-8])]),
    "wide-l1": ("wide", 0.02, 1.0, L1),
}
MAX_SECONDS_FOR_REPEATS = 3.0


def objective(features, labels, weights, intercept, l1, l2):
    margins = features @ weights + intercept
    loss = np.logaddexp(0, np.where(labels, -margins, margins)).mean()
    return loss + l1 * np.abs(weights).sum() + l2 * (weights**2).sum()


def peer(features, labels, solver, c, l1_ratio, tolerance, repeats):
    seconds = []
    while len(seconds) < repeats and sum(seconds) < MAX_SECONDS_FOR_REPEATS:
        # liblinear penalises the intercept: a large scale makes that small.
        model = LogisticRegression(
            C=c, l1_ratio=l1_ratio, solver=solver, tol=tolerance, max_iter=10_000, intercept_scaling=100.0, random_state=0
        )
        begin = time.perf_counter()
        model.fit(features, labels)
        seconds.append(time.perf_counter() - begin)
    return min(seconds), model.coef_[0], model.intercept_[0]


def own(file, l1, l2, arguments):
    program = [arguments.program] if arguments.program else ["cargo", "bench", "--quiet", "--bench", "logistic", "--"]
    command = [*program, file, l1, l2, 1e-8, arguments.repeats, arguments.threads]
    output = subprocess.run([str(part) for part in command], cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(output.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adult", required=True)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--program", help="the built benchmark, to run it without cargo")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    makers = {
        "adult": lambda: adult(arguments.adult),
        "adult-scaled": lambda: scaled(adult(arguments.adult)),
        "million": imbalanced,
        "independent": lambda: independent(1_000_000, 30),
        "wide": lambda: wide(4_000, 3_000),
    }
    made = {}
    for case in arguments.case or CASES:
        rows, c, l1_ratio, solvers = CASES[case]
        if rows not in made:
            # One at a time: the large ones take much memory.
            made = {rows: makers[rows]()}
        features, labels = made[rows]
        run(case, features, labels, c, l1_ratio, solvers, arguments)


def run(case, features, labels, c, l1_ratio, solvers, arguments):
    n = len(labels)
    l1, l2 = l1_ratio / (c * n), (1 - l1_ratio) / (2 * c * n)
    found = []
    with tempfile.NamedTemporaryFile(suffix=".rows") as file:
        file.write(np.array(features.shape, dtype="<u8").tobytes())
        file.write(features.astype("<f8").tobytes())
        file.write(labels.astype("u1").tobytes())
        file.flush()
        fit = own(file.name, l1, l2, arguments)
    reached = fit["objective"]
    if fit["weights"]:
        reached = objective(features, labels, np.array(fit["weights"]), fit["intercept"], l1, l2)
    found.append(("evenkeel", 1e-8, fit["least_seconds"], reached))
    with threadpool_limits(arguments.threads):
        for solver, tolerances in solvers:
            for tolerance in tolerances:
                seconds, weights, intercept = peer(features, labels, solver, c, l1_ratio, tolerance, arguments.repeats)
                found.append((solver, tolerance, seconds, objective(features, labels, weights, intercept, l1, l2)))
    best = min(value for *_, value in found)
    shape = f"{features.shape[0]} x {features.shape[1]}"
    print(f"\n{case}: {shape}, C {c}, l1_ratio {l1_ratio}, {arguments.threads} thread(s)")
    print(f"{'solver':>16} {'tolerance':>9} {'seconds':>9} {'times':>7} {'gap':>9}")
    for solver, tolerance, seconds, value in found:
        print(f"{solver:>16} {tolerance:9.0e} {seconds:9.4f} {seconds / found[0][2]:7.1f} {value / best - 1:9.1e}", flush=True)


if __name__ == "__main__":
    main()
