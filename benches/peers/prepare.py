#!/usr/bin/env python3
"""Writes a standardised matrix for benches/training.rs and the peers beside this file.

    prepare.py csv FILE OUT --target COLUMN --positive LABEL [--smote]
    prepare.py synthetic OUT --rows 100000 --columns 30 --positives 0.01

OUT has the features row by row as little-endian f32, OUT.json says {"rows": n, "columns": m}, OUT.labels has one byte
per row, 1 for the positive class. Text columns become one column per value, numeric ones have mean 0 and variance 1,
missing numbers become the median. Rows come in an order drawn from --seed, after SMOTE (to equal classes) where it is
asked for. Needs NumPy and pandas, scikit-learn for `synthetic`, imbalanced-learn for --smote.
"""
import argparse
import json

import numpy as np
import pandas as pd


def of_csv(options):
    table = pd.read_csv(options.file, na_values="?", skipinitialspace=True)
    labels = (table.pop(options.target).astype(str) == options.positive).to_numpy()
    if not 0 < labels.sum() < len(labels):
        raise SystemExit(f"{options.target} has {labels.sum()} rows {options.positive!r} of {len(labels)}")
    numbers = table.select_dtypes(include="number")
    texts = table.drop(columns=numbers.columns)
    parts = [numbers.fillna(numbers.median()).astype(float)]
    if len(texts.columns):
        parts.append(pd.get_dummies(texts.fillna("missing").astype(str), dtype=float))
    return pd.concat(parts, axis=1).to_numpy(), labels


def synthetic(options):
    from sklearn.datasets import make_classification

    informative = max(2, options.columns // 3)
    return make_classification(
        n_samples=options.rows, n_features=options.columns, n_informative=informative,
        n_redundant=options.columns // 6, weights=[1 - options.positives], flip_y=0, random_state=options.seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sources = parser.add_subparsers(dest="source", required=True)
    csv = sources.add_parser("csv")
    csv.add_argument("file")
    csv.add_argument("out")
    csv.add_argument("--target", required=True)
    csv.add_argument("--positive", required=True)
    csv.add_argument("--smote", action="store_true")
    made = sources.add_parser("synthetic")
    made.add_argument("out")
    made.add_argument("--rows", type=int, default=100_000)
    made.add_argument("--columns", type=int, default=30)
    made.add_argument("--positives", type=float, default=0.01)
    for source in (csv, made):
        source.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    features, labels = of_csv(options) if options.source == "csv" else synthetic(options)
    deviations = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(deviations > 0, deviations, 1)
    if options.source == "csv" and options.smote:
        from imblearn.over_sampling import SMOTE

        features, labels = SMOTE(random_state=options.seed).fit_resample(features, labels)
    order = np.random.default_rng(options.seed).permutation(len(labels))
    features[order].astype("<f4").tofile(options.out)
    np.asarray(labels)[order].astype(np.uint8).tofile(options.out + ".labels")
    with open(options.out + ".json", "w") as file:
        json.dump({"rows": len(labels), "columns": features.shape[1]}, file)
    print(f"{options.out}: {features.shape[0]} rows, {features.shape[1]} columns, {int(np.sum(labels))} positive")


if __name__ == "__main__":
    main()
