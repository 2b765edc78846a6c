"""Runs imbalanced-learn and Evenkeel on the same rows with the same seeds and compares what they give, row by row.

`scripts/compare-resampling` installs what it needs and calls it:

    python tests/compare_resampling.py PROGRAM [--out FILE]

PROGRAM is the example `resample_matrices`. Real data is scaled to mean 0 and deviation 1 and moved by a tiny normal
deviate, so that no two distances are equal; random data is continuous to begin with. A combination is the same if both
give the same labels and the same values to within 1e-9. Where it is not, the reason must be one of REASONS, or this script
fails.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "data"))

import imblearn_steps  # noqa: E402

SEEDS = (0, 1, 42, 2024, 4294967295)
TOLERANCE = 1e-9

REASONS = {
    "raises": "imbalanced-learn raises, Evenkeel does what it can and says so in a note",
    "support": "a row on the verge of being a support vector is one for one of the two",
}


def scaled(X, jitter):
    X = np.asarray(X, dtype=float)
    X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    return X + np.random.RandomState(jitter).randn(*X.shape) * 1e-3


def table(name, target, rare, rows=None):
    frame = pd.read_csv(HERE / name, na_values=["NA", "?", ""])
    if rows is not None:
        frame = frame.sample(n=rows, random_state=5, ignore_index=True)
    y = (frame[target].astype(str) == rare).astype(int).to_numpy()
    return frame.drop(columns=[target]), y


def numbers(frame):
    frame = frame.select_dtypes("number")
    return frame.fillna(frame.median())


def real_sets():
    """Four real datasets for numbers, and one of them once more with its categories."""
    frame, y = table("data/datasets/pima-diabetes.csv", "diabetes", "1")
    yield "pima", scaled(numbers(frame), 1), y, []
    frame, y = table("data/datasets/haberman.csv", "status", "died")
    yield "haberman", scaled(numbers(frame), 2), y, []
    frame, y = table("../examples/data/mammography.csv", "calcification", "1", rows=4000)
    yield "mammography", scaled(numbers(frame), 3), y, []
    frame, y = table("data/datasets/german-credit.csv", "risk", "bad")
    yield "german", scaled(numbers(frame), 4), y, []
    columns = [column for column in frame.columns if column not in frame.select_dtypes("number").columns]
    codes = np.column_stack([pd.factorize(frame[column], sort=True)[0] for column in columns]).astype(float)
    X = scaled(numbers(frame), 5)
    yield "german_mixed", np.column_stack([X, codes]), y, list(range(X.shape[1], X.shape[1] + codes.shape[1]))
    yield "german_categories", codes, y, list(range(codes.shape[1]))


def random_sets():
    for seed, negative, positive, features in [(11, 300, 60, 2), (12, 400, 40, 8), (13, 250, 100, 20), (14, 45, 220, 4)]:
        random = np.random.RandomState(seed)
        X = np.vstack([random.randn(negative, features), random.randn(positive, features) * 0.8 + 0.9])
        y = np.array([0] * negative + [1] * positive)
        order = random.permutation(len(y))
        yield "random_%d" % seed, X[order], y[order], []


def steps_without_chance():
    for strategy in ("auto", "all", ["1"], ["0", "1"]):
        yield {"method": "tomek_links", "sampling_strategy": strategy}
    for kind in ("all", "mode"):
        for k in (1, 3, 4):
            yield {"method": "edited_nearest_neighbours", "n_neighbors": k, "kind_sel": kind}
        yield {"method": "edited_nearest_neighbours", "kind_sel": kind, "sampling_strategy": "all"}
        yield {"method": "repeated_edited_nearest_neighbours", "kind_sel": kind}
        for allow in (False, True):
            yield {"method": "all_knn", "kind_sel": kind, "allow_minority": allow}
    for k in (3, 5):
        yield {"method": "neighbourhood_cleaning_rule", "n_neighbors": k}
    for version in (1, 2, 3):
        for k in (3, 5):
            yield {"method": "near_miss", "version": version, "n_neighbors": k, "n_neighbors_ver3": k}


def by_label(counts):
    """Rows of a class by its label: the smaller one grows, the larger one grows, the larger one shrinks."""
    minority, majority = min(counts, key=counts.get), max(counts, key=counts.get)
    yield {"method": "random_over_sampler", "sampling_strategy": {str(minority): counts[minority] + 7}}
    yield {"method": "smote", "sampling_strategy": {str(majority): counts[majority] + 20}}
    yield {"method": "random_under_sampler", "sampling_strategy": {str(majority): counts[majority] - 15}}


def steps_with_chance(seed, counts):
    common = {"seed": seed, "rng": "numpy"}
    ratio = {"sampling_strategy": 0.8}
    for parameters in (
        {"method": "random_over_sampler"},
        {"method": "random_over_sampler", "shrinkage": 0.8},
        {"method": "random_under_sampler"},
        {"method": "random_under_sampler", "replacement": True, **ratio},
        {"method": "smote"},
        {"method": "smote", "k_neighbors": 3, **ratio},
        {"method": "borderline_smote"},
        {"method": "borderline_smote", "kind": "borderline-2", "k_neighbors": 3, "m_neighbors": 7},
        {"method": "adasyn"},
        {"method": "adasyn", "n_neighbors": 7, **ratio},
        {"method": "condensed_nearest_neighbour", "n_seeds_S": 3},
        {"method": "one_sided_selection", "n_seeds_S": 20, "n_neighbors": 3},
        {"method": "smote_tomek"},
        {"method": "smoteenn"},
        *by_label(counts),
    ):
        yield parameters | common
    if seed in SEEDS[:2]:
        yield {"method": "svm_smote"} | common


def combinations(sets):
    for name, (X, y, categorical) in sets.items():
        if len(categorical) == X.shape[1]:
            for seed in SEEDS:
                for k in (3, 5):
                    yield name, {"method": "smoten", "k_neighbors": k, "seed": seed, "rng": "numpy"}
        elif categorical:
            for seed in SEEDS:
                for k in (3, 5):
                    yield name, {"method": "smotenc", "k_neighbors": k, "seed": seed, "rng": "numpy"}
        else:
            for step in steps_without_chance():
                yield name, step | {"seed": 0, "rng": "numpy"}
            # A condensed set of thousands of rows takes imbalanced-learn minutes.
            slow = ("condensed_nearest_neighbour", "svm_smote") if len(X) > 2000 else ()
            for seed in SEEDS[:3] if len(X) > 600 else SEEDS:
                steps = steps_with_chance(seed, {label: int((y == label).sum()) for label in (0, 1)})
                yield from ((name, step) for step in steps if step["method"] not in slow)


def theirs(sets, name, step):
    X, y, categorical = sets[name]
    step = {key: value for key, value in step.items() if key != "rng"}
    if step["method"] in WITHOUT_SEED:
        step.pop("seed", None)
    if isinstance(step.get("sampling_strategy"), dict):
        step["sampling_strategy"] = {int(label): rows for label, rows in step["sampling_strategy"].items()}
    if isinstance(step.get("sampling_strategy"), list):
        step["sampling_strategy"] = [int(label) for label in step["sampling_strategy"]]
    return imblearn_steps.resample(step, X, y, categorical)


WITHOUT_SEED = {
    "tomek_links",
    "edited_nearest_neighbours",
    "repeated_edited_nearest_neighbours",
    "all_knn",
    "neighbourhood_cleaning_rule",
    "near_miss",
}


def difference(step, expected, found):
    """None if the rows are the same, else the reason or what is wrong."""
    if "error" in found:
        return "ERROR " + found["error"]
    if isinstance(expected, str):
        return "raises" if found["notes"] else "WRONG: no note where imbalanced-learn raises"
    X, y = expected
    if len(found["labels"]) == len(y) and (np.array(found["labels"]) == y).all():
        gap = np.abs(np.array(found["rows"]).reshape(X.shape) - X).max() if X.size else 0.0
        if gap <= TOLERANCE:
            return None
    if step["method"] == "svm_smote":
        return "support"
    return "WRONG: %d rows where imbalanced-learn has %d" % (len(found["labels"]), len(y))


def run(program, sets, cases):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        written = {name: {"X": X.tolist(), "y": y.tolist(), "categorical": c} for name, (X, y, c) in sets.items()}
        json.dump(written, file)
        file.flush()
        lines = "".join(json.dumps({"data": name, "step": step}) + "\n" for name, step in cases)
        done = subprocess.run([program, file.name], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--out", help="where a JSON summary goes")
    arguments = parser.parse_args()
    sets = {name: (X, y, categorical) for name, X, y, categorical in [*real_sets(), *random_sets()]}
    cases = list(combinations(sets))
    assert len(cases) >= 500, len(cases)
    summary = collections.defaultdict(collections.Counter)
    wrong = []
    for (name, step), found in zip(cases, run(arguments.program, sets, cases), strict=True):
        outcome = difference(step, theirs(sets, name, step), found)
        summary[step["method"]][outcome or "same"] += 1
        if outcome and outcome not in REASONS:
            wrong.append("%s on %s: %s" % (json.dumps(step), name, outcome))
    total = collections.Counter()
    for method, outcomes in sorted(summary.items()):
        print("%-36s %s" % (method, ", ".join("%d %s" % (count, outcome) for outcome, count in outcomes.items())))
        total.update(outcomes)
    print("%d combinations, %d the same" % (len(cases), total["same"]))
    for reason, text in REASONS.items():
        if total[reason]:
            print("%d times %s: %s" % (total[reason], reason, text))
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
