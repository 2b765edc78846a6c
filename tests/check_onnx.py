"""Holds exported ONNX files to the program that wrote them, with ONNX's checker and onnxruntime.

`scripts/check-onnx` installs what it needs and calls it:

    python tests/check_onnx.py PROGRAM [--data NAME=FILE]... [--only TEXT] [--out FILE]

For each dataset and configuration it runs `evenkeel train`, `evenkeel export` and `evenkeel predict`, gives the raw columns to
onnxruntime, and fails if a probability differs by more than TOLERANCE, if a label differs other than at the threshold, if
the checker complains, or if a kind of model, calibration, activation or column was not among what was tried.
"""

import argparse
import csv
import hashlib
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-6
# Evenkeel's own list: what counts as missing in a file besides the empty field.
MARKERS = ("", "NA", "NaN", "null", "?")
OPSETS = {"": 17, "ai.onnx.ml": 2}
# A row at a time must give what the whole table gives.
ROWS_ALONE = 25


def mlp(hidden=(16, 8), calibration=None, training=None, **model):
    config = {
        "model": {"type": "mlp", "hidden_layers": list(hidden), **model},
        "training": {"epochs": 8, "batch_size": 64, **(training or {})},
    }
    if calibration:
        config["calibration"] = calibration
    return config


def logistic(**parts):
    return {"model": {"type": "logistic"}, **parts}


def with_parts(config, **parts):
    return {**config, **parts}


SMOTE = [{"method": "smote", "sampling_strategy": 0.5}]
OVER = [{"method": "random_over_sampler"}]
# A loss without an inverse leaves scores that any map improves, so that the map is kept.
BENT = {"type": "asymmetric"}

ACTIVATIONS = ("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid")
# The large one, where an isotonic map has steep steps.
ISOTONIC_ON = "mammography"

# Tried on every dataset.
EVERYWHERE = {
    "logistic": logistic(),
    "mlp": mlp(),
    "mlp deep": mlp(
        (24, 24, 24), activation="relu", normalization="batch", residual=True, dropout=0.2, members=3
    ),
    "mlp layer norm": mlp((16, 16), activation="gelu", normalization="layer", residual=True),
    "mlp isotonic": with_parts(mlp(calibration={"method": "isotonic"}, activation="relu"), loss=BENT),
    "logistic isotonic": with_parts(logistic(calibration={"method": "isotonic"}), resample=OVER),
}

# Tried on one dataset each.
ONCE = {
    "no layers": mlp(()),
    **{
        f"activation {name}": mlp((24, 24), activation=name)
        for name in ACTIVATIONS
    },
    **{
        f"{method} after a bent loss": with_parts(mlp(calibration={"method": method}), loss=BENT)
        for method in ("platt", "temperature", "beta", "isotonic")
    },
    **{
        f"logistic {method}": with_parts(logistic(calibration={"method": method}), resample=OVER)
        for method in ("none", "prior", "platt", "temperature", "beta")
    },
    # The last bit of a logit shows under an isotonic map: each activation and normalization to the last bit.
    **{
        f"isotonic {name}, {normalization}": with_parts(
            mlp(
                (24, 24), calibration={"method": "isotonic"}, activation=name, normalization=normalization,
                residual=True,
            ),
            loss=BENT,
        )
        for name, normalization in zip(ACTIVATIONS, ("none", "batch", "layer", "none", "batch") * 2)
    },
    "deployment prevalence": with_parts(mlp(calibration={"method": "prior", "prevalence": 0.03}), resample=OVER),
    "deployment prevalence of an isotonic map": with_parts(
        mlp(calibration={"method": "isotonic", "prevalence": 0.03}), loss=BENT
    ),
    "focal": with_parts(mlp(), loss={"type": "focal", "gamma": 2.0, "alpha": 0.25}),
    "smoothed": with_parts(mlp(), loss={"type": "bce", "label_smoothing": 0.1}),
    "logit adjusted": with_parts(mlp(), loss={"type": "logit_adjusted", "tau": 1.5}),
    "class weights": with_parts(mlp(), loss={"type": "bce", "class_weight": "balanced"}),
    "bagging": with_parts(mlp((8,)), bagging={"members": 4}),
    "bagged logistic": logistic(bagging={"members": 3}),
    "smote": with_parts(mlp(), resample=SMOTE),
    "means and ranges": with_parts(
        mlp(),
        preprocess={
            "numeric": {"impute": "mean", "scale": "min_max"},
            "categorical": {"impute": "most_frequent", "max_categories": 4},
        },
    ),
    "constants and quartiles": with_parts(
        mlp(),
        preprocess={
            "numeric": {"impute": "constant", "fill_value": -1.5, "scale": "robust", "missing_indicator": False},
            "categorical": {"impute": "constant", "fill_value": "missing", "min_frequency": 1},
        },
    ),
    "unscaled": with_parts(
        logistic(), preprocess={"numeric": {"impute": "most_frequent", "scale": "none"}}
    ),
    "fixed threshold": with_parts(mlp(), threshold={"rule": "fixed", "value": 0.2}),
}
ONCE_ON = ("german-credit", "horse-colic words", "odd names", "mammography")

# What must have been tried when all is done.
EXPECTED = {
    "maps": {"identity", "platt", "temperature", "beta", "isotonic"},
    "bases": {"none", "prior"},
    "losses": {"identity", "smoothing", "focal", "shift"},
    "columns": {"numeric", "boolean", "categorical"},
    "missing": {"indicator", "fill", "unseen"},
    "predictors": {"logistic", "mlp"},
    "normalizations": {"none", "batch", "layer"},
}


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def horse_colic_words():
    """Horse-colic with its codes as words: 30 % of its values are missing, now in columns of categories, too."""
    header, rows = read_csv(HERE / "data/datasets/horse-colic.csv")
    numbers = {
        "rectal_temp", "pulse", "respiratory_rate", "nasogastric_reflux", "reflux_ph", "packed_cell_volume",
        "total_protein", "abdominocentesis_protein", "hospital_number",
    }
    words = [index for index, name in enumerate(header[:-1]) if name not in numbers]
    for row in rows:
        for index in words:
            row[index] = f"code {row[index]}" if row[index] else ""
    return header, rows


def odd_names():
    """Columns called as the outputs are, booleans with gaps, texts of all alphabets, numbers at the end of f64."""
    chance = random.Random(3)
    header = ["probability", "label", "probability_1", "näme, \"quoted\"", "huge", "flag", "always", "only missing", "y"]
    kinds = ["rot", "grün", "синий", "赤", "with, comma", "with \"quotes\"", "true", "1"]
    rows = []
    for _ in range(600):
        value = chance.gauss(0, 1)
        kind = chance.choice(kinds)
        y = value + (kind in kinds[:3]) + chance.gauss(0, 1) > 1.8
        rows.append([
            repr(value), chance.choice(["true", "false", "true", "NA"]), repr(chance.random() * 1e-3),
            chance.choice([kind, kind, kind, "?"]), repr(chance.choice([1.5e308, 1e308, -1.5e308])),
            chance.choice(["TRUE", "False"]), "7", chance.choice(["3", ""]), "yes" if y else "no",
        ])
    return header, rows


def hostile_rows(header, rows):
    """Rows that no training row is like: nothing at all, what was never seen, numbers far out."""
    def row(of_number, of_text):
        return [of_number if is_number(rows, index) else of_text for index in range(len(header))]

    found = [row("", ""), row("NA", "?"), row("1e300", "never seen"), row("-1e300", "Ω"), row("0", "null")]
    found += [row("1e-300", "NaN"), row("-0", "x" * 3000), row("12345678.9", "a b")]
    return found


def is_number(rows, index):
    for row in rows:
        text = row[index].strip()
        if text not in MARKERS:
            try:
                float(text)
            except ValueError:
                return False
    return True


def datasets(work, extra):
    files = {
        "mammography": HERE.parent / "examples/data/mammography.csv",
        "adult": HERE / "data/datasets/adult-sample.csv",
        "horse-colic": HERE / "data/datasets/horse-colic.csv",
        "german-credit": HERE / "data/datasets/german-credit.csv",
        "breast-cancer": HERE / "data/datasets/breast-cancer.csv",
    }
    files.update({name: pathlib.Path(file) for name, file in extra})
    for name, make in (("horse-colic words", horse_colic_words), ("odd names", odd_names)):
        files[name] = work / f"{name}.csv"
        write_csv(files[name], *make())
    return files


def run(*arguments):
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")


def manifest_of(artifact):
    (length,) = struct.unpack("<Q", artifact[:8])
    return json.loads(json.loads(artifact[8 : 8 + length])["__metadata__"]["evenkeel"])


def feeds_of(session, header, rows):
    """The columns as the graph's inputs want them: numbers with NaN for what is missing, texts as they are."""
    described = json.loads(session.get_modelmeta().custom_metadata_map["evenkeel.inputs"])
    types = {column["name"]: column["type"] for column in described}
    feeds = {}
    for given in session.get_inputs():
        texts = [row[header.index(given.name)].strip() for row in rows]
        if given.type == "tensor(string)":
            values = np.array(texts, dtype=object)
        elif types[given.name] == "boolean":
            values = np.array([boolean(text) for text in texts])
        else:
            values = np.array([math.nan if text in MARKERS else float(text) for text in texts])
        feeds[given.name] = values.reshape(-1, 1)
    return feeds


def boolean(text):
    return math.nan if text in MARKERS else float(text.lower() in ("true", "1"))


def check_file(file, artifact, name):
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    assert opsets == OPSETS, opsets
    props = {entry.key: entry.value for entry in model.metadata_props}
    assert props["evenkeel.artifact_sha256"] == hashlib.sha256(artifact).hexdigest()
    assert props["evenkeel.model_name"] == name and props["evenkeel.version"], props
    return props


def compare(session, props, header, rows, expected):
    outputs = [props["evenkeel.output.probability"], props["evenkeel.output.label"]]
    feeds = feeds_of(session, header, rows)
    probability, label = session.run(outputs, feeds)
    assert probability.dtype == np.float64 and probability.shape == (len(rows),), probability.shape
    assert label.shape == (len(rows),), label.shape
    ours = np.array([float(row["probability"]) for row in expected])
    gap = np.abs(probability - ours)
    assert np.isfinite(gap).all(), "a probability is not finite"
    worst = int(gap.argmax())
    threshold = float(props["evenkeel.threshold"])
    other = [
        index
        for index, row in enumerate(expected)
        if row["label"] != label[index] and abs(ours[index] - threshold) > TOLERANCE
    ]
    assert not other, f"{len(other)} labels differ, the first in row {other[0] + 1}"
    alone = 0.0
    for index in range(0, len(rows), max(1, len(rows) // ROWS_ALONE)):
        one, _ = session.run(outputs, {name: values[index : index + 1] for name, values in feeds.items()})
        alone = max(alone, abs(one[0] - ours[index]))
    empty, _ = session.run(outputs, {name: values[:0] for name, values in feeds.items()})
    assert empty.shape == (0,), empty.shape
    return max(gap[worst], alone)


def note(tried, manifest):
    tried["predictors"].add(manifest["predictor"])
    tried["maps"].add(manifest["calibrator"]["map"]["method"])
    base = manifest["calibrator"]["base"]
    tried["bases"].add(base["method"])
    if base["method"] == "prior":
        tried["losses"].add(base["inverse"]["loss"])
    if manifest["network"]:
        tried["normalizations"].add(manifest["network"]["normalization"])
    for column in manifest["preprocessor"]["columns"]:
        tried["columns"].add(column["type"])
        if column["type"] == "categorical":
            missing = column["missing"]
            tried["missing"].add(missing if isinstance(missing, str) else next(iter(missing)))


def check(program, work, file, config, name, tried):
    folder = work / "model"
    (work / "config.json").write_text(json.dumps({**config, "evaluation": {"bootstrap": 0}}), encoding="utf-8")
    run(program, "train", "--data", file, "--config", work / "config.json", "--out", folder)
    artifact = (folder / "model.safetensors").read_bytes()
    run(program, "export", "--model", folder, "--format", "onnx", "--out", work / "model.onnx", "--name", name)
    header, rows = read_csv(file)
    rows = rows + hostile_rows(header, rows)
    # Booleans that are not are refused by Evenkeel before anything is predicted.
    manifest = manifest_of(artifact)
    flags = {c["name"] for c in manifest["preprocessor"]["columns"] if c["type"] == "boolean"}
    for row in rows[-8:]:
        for flag in flags:
            row[header.index(flag)] = random.Random(len(row[0])).choice(["", "true", "0", "NA"])
    write_csv(work / "rows.csv", header, rows)
    run(program, "predict", "--model", folder, "--data", work / "rows.csv", "--out", work / "out.csv")
    with open(work / "out.csv", newline="", encoding="utf-8") as out:
        expected = list(csv.DictReader(out))
    assert len(expected) == len(rows)
    props = check_file(work / "model.onnx", artifact, name)
    session = onnxruntime.InferenceSession(work / "model.onnx", providers=["CPUExecutionProvider"])
    note(tried, manifest)
    return len(rows), compare(session, props, header, rows, expected)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--data", action="append", default=[], type=lambda text: tuple(text.split("=", 1)))
    arguments.add_argument("--only", default="", help="only combinations whose name has this in it")
    arguments.add_argument("--out", help="a table of the differences, as Markdown")
    arguments = arguments.parse_args()
    tried = {kind: set() for kind in EXPECTED}
    lines, failures = [], []
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        files = datasets(work, arguments.data)
        cases = [(dataset, name) for dataset in files for name in EVERYWHERE]
        cases += [
            (ISOTONIC_ON if name.startswith("isotonic ") else ONCE_ON[index % len(ONCE_ON)], name)
            for index, name in enumerate(ONCE)
        ]
        for dataset, name in cases:
            case = f"{dataset}: {name}"
            if arguments.only not in case:
                continue
            config = EVERYWHERE.get(name) or ONCE[name]
            try:
                rows, gap = check(arguments.program, work, files[dataset], config, case, tried)
            except AssertionError as error:
                failures.append(f"{case}: {error}")
                print(f"{case:<60} FAILED: {error}", flush=True)
                continue
            lines.append(f"| {dataset} | {name} | {rows:,} | {gap:.1e} |")
            print(f"{case:<60} {rows:>7,} rows, at most {gap:.1e} apart", flush=True)
            if gap > TOLERANCE:
                failures.append(f"{case}: probabilities are up to {gap:.2e} apart")
    if not arguments.only:
        failures += [
            f"{kind} that were not tried: {sorted(wanted - tried[kind])}"
            for kind, wanted in EXPECTED.items()
            if wanted - tried[kind]
        ]
    if arguments.out:
        header = "| Dataset | Model | Rows | Largest difference |\n|---|---|---|---|\n"
        pathlib.Path(arguments.out).write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} models, {len(failures)} failures")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
