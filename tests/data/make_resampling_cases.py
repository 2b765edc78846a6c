"""Writes resampling-cases.json: what imbalanced-learn answers on binary data without tied distances.

    pip install imbalanced-learn==0.14.2
    python tests/data/make_resampling_cases.py

`suite` has arrays of imbalanced-learn's own tests; the other sets are drawn here. Each case names a method and its
parameters as a step of a job does, and has either the kept `indices`, or the `added` rows below the original ones
and their `added_label`, or (`smote_tomek`) all `rows` and `labels`.
"""

import json
import pathlib

import numpy as np
from imblearn.combine import SMOTETomek
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import NearMiss, RandomUnderSampler, TomekLinks

HERE = pathlib.Path(__file__).parent


def clouds(seed, negative, positive, features):
    """Two overlapping normal clouds, shuffled, rounded to 5 digits."""
    random = np.random.RandomState(seed)
    X = np.vstack([random.randn(negative, features), random.randn(positive, features) * 0.9 + 0.7])
    y = np.array([0] * negative + [1] * positive)
    order = random.permutation(negative + positive)
    return np.round(X[order], 5), y[order]


def data_sets():
    suite = json.loads((HERE / "imblearn-suite-arrays.json").read_text())
    sets = {name: (np.array(value["X"]), np.array(value["y"])) for name, value in suite.items()}
    sets["p2"] = clouds(1, 90, 30, 2)
    sets["p6"] = clouds(2, 100, 25, 6)
    sets["p20"] = clouds(3, 60, 24, 20)
    # Here the positive class is the majority.
    sets["positive_majority"] = clouds(4, 22, 70, 3)
    # More rows than the leaf of a search tree holds.
    sets["leaves"] = clouds(5, 260, 90, 3)
    return sets


SAMPLERS = {
    "tomek_links": TomekLinks,
    "near_miss": NearMiss,
    "random_under_sampler": RandomUnderSampler,
    "random_over_sampler": RandomOverSampler,
    "smote": SMOTE,
    "smote_tomek": SMOTETomek,
}


def case(name, X, y, method, seed=None, **parameters):
    arguments = dict(parameters)
    if seed is not None:
        arguments["random_state"] = seed
    k = arguments.pop("k_neighbors", None)
    if method == "smote_tomek":
        arguments["smote"] = SMOTE(
            sampling_strategy=arguments.get("sampling_strategy", "auto"), k_neighbors=k or 5, random_state=seed
        )
    elif k is not None:
        arguments["k_neighbors"] = k
    sampler = SAMPLERS[method](**arguments)
    X_res, y_res = sampler.fit_resample(X, y)
    step = {"method": method, **parameters}
    if seed is not None:
        step |= {"seed": seed, "rng": "numpy"}
    expected = {"data": name, "step": step}
    if method == "smote_tomek":
        expected |= {"rows": X_res.tolist(), "labels": y_res.tolist()}
    elif method == "smote" or parameters.get("shrinkage") is not None:
        assert (X_res[: len(X)] == X).all()
        (label,) = np.unique(y_res[len(X) :])
        expected |= {"added": X_res[len(X) :].tolist(), "added_label": int(label)}
    else:
        expected["indices"] = sampler.sample_indices_.tolist()
        assert (y_res == y[sampler.sample_indices_]).all()
    return expected


def cases(name, X, y):
    counts = np.bincount(y)
    present = counts.min() / counts.max()
    ratio = round(float(present + (1 - present) * 0.6), 3)
    strategies = ["auto"] if counts.min() == counts.max() else ["auto", ratio]
    for strategy in ("auto", "all"):
        yield case(name, X, y, "tomek_links", sampling_strategy=strategy)
    for version in (1, 2, 3):
        for k in (1, 3, 5) if name.startswith("p") else (3,):
            if k <= counts.min():
                for strategy in strategies:
                    yield case(
                        name, X, y, "near_miss",
                        version=version, n_neighbors=k, n_neighbors_ver3=k, sampling_strategy=strategy,
                    )
    for seed, strategy in zip((0, 42), strategies):
        for replacement in (False, True):
            yield case(
                name, X, y, "random_under_sampler", seed, replacement=replacement, sampling_strategy=strategy
            )
    yield case(name, X, y, "random_under_sampler", 7, replacement=True, sampling_strategy="all")
    yield case(name, X, y, "random_over_sampler", 0)
    yield case(name, X, y, "random_over_sampler", 9, sampling_strategy="all")
    for shrinkage in (0.5, 1.0):
        yield case(name, X, y, "random_over_sampler", 0, shrinkage=shrinkage)
    if counts.min() > 5:
        yield case(name, X, y, "smote", 0, k_neighbors=5)
        yield case(name, X, y, "smote", 4294967295, k_neighbors=3, sampling_strategy=strategies[-1])
        yield case(name, X, y, "smote_tomek", 0, k_neighbors=5)
    if name == "smote":
        # The suite's {0: 9, 1: 12} as a ratio.
        yield case(name, X, y, "smote", 0, sampling_strategy=0.75)


def main():
    sets = data_sets()
    written = {
        "imbalanced_learn": "0.14.2",
        "data": {name: {"X": X.tolist(), "y": y.tolist()} for name, (X, y) in sets.items()},
        "cases": [expected for name, (X, y) in sets.items() for expected in cases(name, X, y)],
    }
    text = json.dumps(written, separators=(",", ":")).replace('{"data":', '\n{"data":')
    (HERE / "resampling-cases.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
