"""Times Evenkeel's resampling against imbalanced-learn's, on the same rows and in the same run.

    pip install imbalanced-learn pandas
    cargo bench --bench resampling --no-run
    python benches/peers/resampling.py --adult adult-train.csv --work DIR [--case smote-100k ...] [--threads 2]

`adult-train.csv` is UCI's Adult with a header, `income` last and missing values empty: `adult` is its numbers and one
column per category (108), `adult-mixed` has a code per category. `100k` and `million` are scikit-learn's
`make_classification` with 30 columns, 1 % positive; `fraud` is 284,807 x 30 with 0.17 %. Nothing is scaled. DIR keeps
the matrices that are made.

Each side is timed in a process of its own with the given number of threads, for the call alone: the median of up to
`--repeats` runs, fewer where they take long. Memory is the most that the process has had, `before` is with the data
and the library loaded. --peer-limit leaves out imbalanced-learn where it is known to take longer than that.

--memory runs every method of Evenkeel once on the million rows instead, or those of --method, and says how many times the
size of the rows the process had at most, the rows themselves and what comes out included. `smotenc` and `smoten` get
the same rows with 10 or all 30 columns cut into five categories each.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {"100k": (100_000, 0.01), "million": (1_000_000, 0.01), "fraud": (284_807, 0.00173)}

# Rows, the step, imbalanced-learn's class and its arguments, and about how many seconds that takes.
CASES = {
    "tomek-fraud": ("fraud", {"method": "tomek_links"}, "under_sampling.TomekLinks", {}, 140),
    "tomek-adult": ("adult", {"method": "tomek_links"}, "under_sampling.TomekLinks", {}, 4),
    "enn-fraud": ("fraud", {"method": "edited_nearest_neighbours"}, "under_sampling.EditedNearestNeighbours", {}, 140),
    "enn-adult": ("adult", {"method": "edited_nearest_neighbours"}, "under_sampling.EditedNearestNeighbours", {}, 4),
    "smote-tomek-100k": ("100k", {"method": "smote_tomek"}, "combine.SMOTETomek", {}, 62),
    "smote-enn-100k": ("100k", {"method": "smoteenn"}, "combine.SMOTEENN", {}, 61),
    "smote-100k": ("100k", {"method": "smote"}, "over_sampling.SMOTE", {}, 0.1),
    "smote-million": ("million", {"method": "smote"}, "over_sampling.SMOTE", {}, 1),
    "borderline-million": ("million", {"method": "borderline_smote"}, "over_sampling.BorderlineSMOTE", {}, 20),
    "adasyn-million": ("million", {"method": "adasyn"}, "over_sampling.ADASYN", {}, 19),
    "near-miss-1-million": ("million", {"method": "near_miss", "version": 1}, "under_sampling.NearMiss", {"version": 1}, 17),
    "near-miss-3-million": ("million", {"method": "near_miss", "version": 3}, "under_sampling.NearMiss", {"version": 3}, 17),
    "smotenc-adult": ("adult-mixed", {"method": "smotenc"}, "over_sampling.SMOTENC", {}, 3),
    "near-miss-2-adult": ("adult", {"method": "near_miss", "version": 2}, "under_sampling.NearMiss", {"version": 2}, 25),
    "near-miss-2-100k": ("100k", {"method": "near_miss", "version": 2}, "under_sampling.NearMiss", {"version": 2}, 4),
    # It would ask for one array of 74 GiB.
    "near-miss-2-million": ("million", {"method": "near_miss", "version": 2}, None, {}, 0),
    "tomek-million": ("million", {"method": "tomek_links"}, None, {}, 0),
    "enn-million": ("million", {"method": "edited_nearest_neighbours"}, None, {}, 0),
}


# Every method once.
METHODS = [
    {"method": name} for name in (
        "random_over_sampler", "smote", "svm_smote", "kmeans_smote", "adasyn", "random_under_sampler", "cluster_centroids",
        "tomek_links", "edited_nearest_neighbours", "repeated_edited_nearest_neighbours", "all_knn",
        "condensed_nearest_neighbour", "one_sided_selection", "neighbourhood_cleaning_rule", "instance_hardness_threshold",
        "smote_tomek", "smoteenn", "polynom_fit_smote", "prowsyn", "geometric_smote", "mixup", "gaussian_noise")
] + [{"method": "borderline_smote", "kind": f"borderline-{kind}"} for kind in (1, 2)] + [
    {"method": "near_miss", "version": version} for version in (1, 2, 3)] + [{"method": "smotenc"}, {"method": "smoten"}]
# The first column of categories.
CATEGORIES_FROM = {"million-mixed": 20, "million-categories": 0}


def memory(options):
    for step in METHODS:
        if options.method and step["method"] not in options.method:
            continue
        name = {"smotenc": "million-mixed", "smoten": "million-categories"}.get(step["method"], "million")
        file = prepared(name, options)
        size = file.stat().st_size / 2**20
        command = [options.program, file, json.dumps(step), "--repeat", 1, "--threads", options.threads]
        if name in CATEGORIES_FROM:
            command += ["--categories", ",".join(str(column) for column in range(CATEGORIES_FROM[name], 30))]
        try:
            found = last_line([str(part) for part in command], {}, options.seconds)
        except subprocess.TimeoutExpired:
            found = {"error": f"takes longer than {options.seconds} s"}
        times = found["peak_mib"] / size if "peak_mib" in found else None
        print(json.dumps({"step": step, "times_the_rows": times and round(times, 2), **found}), flush=True)


def synthetic(name):
    from sklearn.datasets import make_classification

    rows, positives = SHAPES[name]
    return make_classification(
        n_samples=rows, n_features=30, n_informative=10, n_redundant=5, n_repeated=0, n_clusters_per_class=2,
        weights=[1 - positives], flip_y=0.0, class_sep=1.0, shuffle=True, random_state=1)


def cut(name):
    """The million rows with some columns cut into five categories of as many rows each."""
    features, labels = synthetic("million")
    for column in range(CATEGORIES_FROM[name], features.shape[1]):
        edges = np.quantile(features[:, column], [0.2, 0.4, 0.6, 0.8])
        features[:, column] = np.digitize(features[:, column], edges)
    return features, labels


def adult(path, mixed):
    import pandas as pd

    table = pd.read_csv(path)
    labels = (table.pop("income").str.strip() == ">50K").to_numpy()
    numbers = table.select_dtypes(include="number")
    texts = table.drop(columns=numbers.columns).fillna("?").astype(str)
    if not mixed:
        return pd.concat([numbers.astype(float), pd.get_dummies(texts, dtype=float)], axis=1).to_numpy(), labels
    columns = [pd.Categorical(texts[c]).codes.astype(float) if c in texts else table[c].to_numpy(float) for c in table]
    return np.column_stack(columns), labels


def categorical(path):
    import pandas as pd

    table = pd.read_csv(path, nrows=1000).drop(columns="income")
    return [index for index, c in enumerate(table) if not pd.api.types.is_numeric_dtype(table[c])]


def prepared(name, options):
    """The file of a matrix, made if it is not there."""
    file = options.work / f"{name}.rows"
    if not file.exists():
        if name.startswith("adult"):
            features, labels = adult(options.adult, name == "adult-mixed")
        else:
            features, labels = cut(name) if name in CATEGORIES_FROM else synthetic(name)
        with open(file, "wb") as out:
            out.write(np.array(features.shape, "<u8").tobytes())
            out.write(np.ascontiguousarray(features, "<f8").tobytes())
            out.write(np.asarray(labels, "u1").tobytes())
    return file


def read(file):
    rows, columns = np.fromfile(file, "<u8", 2)
    features = np.fromfile(file, "<f8", int(rows * columns), offset=16).reshape(int(rows), int(columns))
    return features, np.fromfile(file, "u1", offset=16 + 8 * int(rows * columns)).astype(int)


def peer(options):
    """One method of imbalanced-learn, in this process."""
    import imblearn.combine, imblearn.over_sampling, imblearn.under_sampling  # noqa: E401

    name, _, method, arguments, _ = CASES[options.peer]
    features, labels = read(prepared(name, options))
    module, method = method.split(".")
    maker = getattr(getattr(imblearn, module), method)
    if method == "SMOTENC":
        arguments = {"categorical_features": categorical(options.adult)}
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    before, seconds = peak(), []
    while len(seconds) < options.repeats and sum(seconds) < 20:
        sampler = maker(**arguments)
        if hasattr(sampler, "random_state"):
            sampler.random_state = len(seconds)
        begun = time.perf_counter()
        _, after = sampler.fit_resample(features, labels)
        seconds.append(time.perf_counter() - begun)
    print(json.dumps({
        "rows_after": len(after), "median_s": statistics.median(seconds), "min_s": min(seconds), "runs": len(seconds),
        "before_mib": before, "peak_mib": peak()}))


def own(case, options):
    name, step, *_ = CASES[case]
    command = ["cargo", "bench", "--quiet", "--bench", "resampling", "--", prepared(name, options), json.dumps(step)]
    if options.program:
        command = [options.program, prepared(name, options), json.dumps(step)]
    command += ["--repeat", options.repeats, "--threads", options.threads]
    if name == "adult-mixed":
        command += ["--categories", ",".join(str(column) for column in categorical(options.adult))]
    return last_line([str(part) for part in command], {})


def last_line(command, environment, seconds=None):
    environment = {**os.environ, **environment}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=seconds)
    if run.returncode != 0:
        return {"error": (run.stderr.strip().splitlines() or ["failed"])[-1]}
    return json.loads(run.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adult", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-limit", type=float, default=1e9, metavar="SECONDS")
    parser.add_argument("--program", help="the built benchmark, to run it without cargo")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--method", action="append", help="with --memory: only this method")
    parser.add_argument("--seconds", type=float, default=300, help="the most that a method may take with --memory")
    parser.add_argument("--peer", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    if options.peer:
        return peer(options)
    if options.memory:
        return memory(options)
    threads = {name: str(options.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    for case in options.case or CASES:
        ours = own(case, options)
        _, _, method, _, about = CASES[case]
        theirs = None
        if method and about <= options.peer_limit:
            command = [sys.executable, __file__, "--adult", options.adult, "--work", options.work, "--peer", case,
                       "--repeats", options.repeats]
            theirs = last_line([str(part) for part in command], threads)
        ratio = theirs["median_s"] / ours["median_s"] if theirs and "median_s" in ours and "median_s" in theirs else None
        print(json.dumps({"case": case, "times": ratio, "evenkeel": ours, "imbalanced_learn": theirs}), flush=True)


if __name__ == "__main__":
    main()
