"""Writes resampling-cases.json: what imbalanced-learn answers on binary data without tied distances.

    pip install imbalanced-learn==0.14.2
    python tests/data/make_resampling_cases.py

`imblearn-suite-arrays.json` has arrays of imbalanced-learn's own tests. Those with three classes are reduced to what a
two-class product can hold: the rarest class against the others (`enn`, `allknn`, `nearmiss`). The other sets are drawn
here. Each case names a method and its parameters as a step of a job does, and has either the kept `indices`, or the
`added` rows below the original ones and their `added_label`, or all `rows` and `labels`.
"""

import json
import pathlib

import numpy as np
from imblearn_steps import resample

HERE = pathlib.Path(__file__).parent
KINDS = ("all", "mode")


def clouds(seed, negative, positive, features):
    """Two overlapping normal clouds, shuffled, rounded to 5 digits."""
    random = np.random.RandomState(seed)
    X = np.vstack([random.randn(negative, features), random.randn(positive, features) * 0.9 + 0.7])
    y = np.array([0] * negative + [1] * positive)
    order = random.permutation(negative + positive)
    return np.round(X[order], 5), y[order]


def mixed(seed, negative, positive, numbers, levels):
    """Clouds with columns of categories behind the numbers, as whole numbers; which ones depends on the class."""
    X, y = clouds(seed, negative, positive, numbers)
    random = np.random.RandomState(seed + 100)
    columns = [np.minimum(random.randint(0, level, len(y)), random.randint(0, level, len(y)) + y) for level in levels]
    return np.column_stack([X, *columns]), y


def data_sets():
    suite = json.loads((HERE / "imblearn-suite-arrays.json").read_text())
    sets = {}
    for name, value in suite.items():
        y = np.array(value["y"])
        if len(np.unique(y)) > 2:
            y = (y == np.bincount(y).argmin()).astype(int)
        sets[name] = (np.array(value["X"]), y, [])
    sets["p2"] = (*clouds(1, 90, 30, 2), [])
    sets["p6"] = (*clouds(2, 100, 25, 6), [])
    sets["p20"] = (*clouds(3, 60, 24, 20), [])
    # Here the positive class is the majority.
    sets["positive_majority"] = (*clouds(4, 22, 70, 3), [])
    # More rows than the leaf of a search tree holds.
    sets["leaves"] = (*clouds(5, 260, 90, 3), [])
    sets["mixed"] = (*mixed(6, 80, 26, 3, (2, 3, 5)), [3, 4, 5])
    sets["mixed_many"] = (*mixed(7, 120, 40, 5, (4, 4, 9, 2)), [5, 6, 7, 8])
    # So many categories that no two rows are as far from a third.
    X, y = mixed(8, 90, 30, 0, (7, 9, 8, 11, 6, 9, 7, 10, 8, 9))
    sets["categories"] = (X, y, list(range(10)))
    return sets


def place(X, rows):
    """The row of X that each of `rows` is, or None if one is none of them."""
    known = {tuple(row): index for index, row in enumerate(X.tolist())}
    assert len(known) == len(X), "a reference set must not have equal rows"
    places = [known.get(tuple(row)) for row in rows.tolist()]
    return None if None in places else places


def case(name, data, method, seed=None, **parameters):
    X, y, categorical = data
    step = {"method": method, **parameters}
    if seed is not None:
        step |= {"seed": seed, "rng": "numpy"}
    answer = resample(step, X, y, categorical)
    expected = {"data": name, "step": step}
    if isinstance(answer, str):
        return expected | {"raises": answer}
    X_res, y_res = answer
    indices = None if categorical else place(X, X_res)
    if indices is not None:
        assert (y_res == y[indices]).all()
        return expected | {"indices": indices}
    if len(X_res) > len(X) and (X_res[: len(X)] == X).all():
        (label,) = np.unique(y_res[len(X) :])
        return expected | {"added": X_res[len(X) :].tolist(), "added_label": int(label)}
    return expected | {"rows": X_res.tolist(), "labels": y_res.tolist()}


def cases(name, data):
    _, y, categorical = data
    counts = np.bincount(y)
    if categorical:
        yield from categorical_cases(name, data)
        return
    present = counts.min() / counts.max()
    ratio = round(float(present + (1 - present) * 0.6), 3)
    strategies = ["auto"] if counts.min() == counts.max() else ["auto", ratio]
    yield from cleaning_cases(name, data)
    for version in (1, 2, 3):
        for k in (1, 3, 5) if name.startswith("p") else (3,):
            if k <= counts.min():
                for strategy in strategies:
                    yield case(
                        name, data, "near_miss",
                        version=version, n_neighbors=k, n_neighbors_ver3=k, sampling_strategy=strategy,
                    )
    for seed, strategy in zip((0, 42), strategies):
        for replacement in (False, True):
            yield case(name, data, "random_under_sampler", seed, replacement=replacement, sampling_strategy=strategy)
    yield case(name, data, "random_under_sampler", 7, replacement=True, sampling_strategy="all")
    yield case(name, data, "random_over_sampler", 0)
    yield case(name, data, "random_over_sampler", 9, sampling_strategy="all")
    for shrinkage in (0.5, 1.0):
        yield case(name, data, "random_over_sampler", 0, shrinkage=shrinkage)
    if counts.min() > 5:
        yield from smote_cases(name, data, strategies)
    if name == "smote":
        # The suite's {0: 9, 1: 12} as a ratio.
        yield case(name, data, "smote", 0, sampling_strategy=0.75)


def cleaning_cases(name, data):
    for strategy in ("auto", "all"):
        yield case(name, data, "tomek_links", sampling_strategy=strategy)
    for kind in KINDS:
        for k in (1, 2, 3, 5):
            yield case(name, data, "edited_nearest_neighbours", n_neighbors=k, kind_sel=kind)
        yield case(name, data, "edited_nearest_neighbours", n_neighbors=3, kind_sel=kind, sampling_strategy="all")
        yield case(name, data, "repeated_edited_nearest_neighbours", kind_sel=kind)
        for allow in (False, True):
            yield case(name, data, "all_knn", kind_sel=kind, allow_minority=allow)
    for k in (1, 3, 5):
        yield case(name, data, "neighbourhood_cleaning_rule", n_neighbors=k)
    for method in ("condensed_nearest_neighbour", "one_sided_selection"):
        yield case(name, data, method, 0)
        yield case(name, data, method, 11, n_seeds_S=4, n_neighbors=3)


def smote_cases(name, data, strategies):
    yield case(name, data, "smote", 0, k_neighbors=5)
    yield case(name, data, "smote", 4294967295, k_neighbors=3, sampling_strategy=strategies[-1])
    yield case(name, data, "smote_tomek", 0, k_neighbors=5)
    yield case(name, data, "smoteenn", 0)
    yield case(name, data, "smoteenn", 5, k_neighbors=3, n_neighbors=4, kind_sel="mode")
    for kind in ("borderline-1", "borderline-2"):
        yield case(name, data, "borderline_smote", 0, kind=kind)
        yield case(name, data, "borderline_smote", 3, kind=kind, k_neighbors=3, m_neighbors=5)
    yield case(name, data, "adasyn", 0)
    yield case(name, data, "adasyn", 8, n_neighbors=3, sampling_strategy=strategies[-1])
    yield case(name, data, "svm_smote", 42)
    yield case(name, data, "svm_smote", 1, out_step=0.2, k_neighbors=3, m_neighbors=5)


def categorical_cases(name, data):
    X, _, categorical = data
    if len(categorical) == X.shape[1]:
        yield case(name, data, "smoten", 0)
        yield case(name, data, "smoten", 3, k_neighbors=3, sampling_strategy=0.8)
        return
    yield case(name, data, "smotenc", 0)
    yield case(name, data, "smotenc", 21, k_neighbors=4, sampling_strategy=0.7)
    yield case(name, data, "smotenc", 5, k_neighbors=2)


def main():
    sets = data_sets()
    written = {
        "imbalanced_learn": "0.14.2",
        "data": {
            name: {"X": X.tolist(), "y": y.tolist()} | ({"categorical": categorical} if categorical else {})
            for name, (X, y, categorical) in sets.items()
        },
        "cases": [expected for name, data in sets.items() for expected in cases(name, data)],
    }
    text = json.dumps(written, separators=(",", ":")).replace('{"data":', '\n{"data":')
    (HERE / "resampling-cases.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
