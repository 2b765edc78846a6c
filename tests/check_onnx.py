"""Holds exported ONNX files to the program that wrote them, with ONNX's checker and onnxruntime.

`scripts/check-onnx` installs what it needs and calls it:

    python tests/check_onnx.py PROGRAM [--data NAME=FILE]... [--only TEXT] [--out FILE]

For each dataset and configuration it runs `evenkeel train`, `evenkeel export` and `evenkeel predict`, gives the raw columns to
onnxruntime, and fails if a probability differs by more than TOLERANCE (DEEP_TOLERANCE for `medium`), if a label
differs other than at the threshold, if the checker complains, or if a kind of model, calibration, activation or column was not
among what was tried.
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
import zipfile
import zlib

import numpy as np
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-6
# Of `medium`, whose fifteen convolutions each sum in f32, in another order and here in tiles: what one rounds, the next ones carry on.
DEEP_TOLERANCE = 4e-6
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

# Of pictures; tried on those in grey and those in colour.
def cnn(layers=None, training=None, **model):
    config = {
        "model": {"type": "cnn", **({"layers": layers} if layers else {}), **model},
        "training": {"epochs": 4, "batch_size": 32, **(training or {})},
        "resample": OVER,
    }
    return config


def conv(filters, **parts):
    return {"type": "conv", "filters": filters, **parts}


def layer(name, **parts):
    return {"type": name, **parts}


PICTURES = {
    "cnn": cnn(),
    "cnn of several": cnn(activation="silu", dropout=0.2, members=2),
    "medium": cnn(size="medium", training={"epochs": 1}),
    "pools": cnn([
        conv(8), layer("batch_norm"), layer("activation"), layer("max_pool", size=3, stride=2, padding=1),
        conv(12, kernel=5, bias=False), layer("activation"), layer("avg_pool", size=3, stride=1, padding=1),
        layer("dropout", probability=0.2), layer("global_max_pool"), layer("dense", units=6), layer("activation"),
    ]),
    "depthwise": cnn([
        layer("depthwise_conv", stride=2), layer("batch_norm"), conv(10, kernel=1, bias=False), layer("activation"),
        layer("depthwise_conv", kernel=2, padding=0), layer("activation"), layer("global_avg_pool"),
    ]),
    "projections": cnn([
        conv(6), layer("activation"),
        layer("residual", layers=[conv(9, stride=2), layer("batch_norm"), layer("activation"), conv(9), layer("batch_norm")]),
        layer("activation"),
        layer("residual", projection=False, layers=[conv(9), layer("activation")]),
        layer("residual", layers=[layer("depthwise_conv"), layer("residual", layers=[conv(5, kernel=1)])]),
    ]),
    **{
        f"cnn with {name}": cnn(
            [conv(8), layer("activation"), layer("depthwise_conv"), layer("activation"), layer("max_pool"),
             layer("dense", units=8), layer("activation")],
            activation=name, training={"epochs": 2},
        )
        for name in ACTIVATIONS
    },
    "mlp of pixels": with_parts(mlp((16,), normalization="batch"), resample=OVER),
    "isotonic mlp of pixels": with_parts(mlp((16, 8), calibration={"method": "isotonic"}), loss=BENT),
    "logistic of pixels": logistic(regularization={"l2": 0.01}),
    "isotonic logistic of pixels": with_parts(logistic(calibration={"method": "isotonic"}), resample=OVER),
}

# What must have been tried when all is done.
EXPECTED = {
    "maps": {"identity", "platt", "temperature", "beta", "isotonic"},
    "bases": {"none", "prior"},
    "losses": {"identity", "smoothing", "focal", "shift"},
    "columns": {"numeric", "boolean", "categorical", "image"},
    "missing": {"indicator", "fill", "unseen"},
    "predictors": {"logistic", "mlp", "cnn"},
    "layers": {
        "conv", "depthwise_conv", "max_pool", "avg_pool", "batch_norm", "activation", "residual", "global_avg_pool",
        "global_max_pool", "dropout", "dense",
    },
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


def png(pixels):
    """A picture of 8 bits as PNG, without any library."""
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + pixels[line].tobytes() for line in range(height))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def archive_of_pictures(file, channels, columns):
    """Noise of 9 by 11 pixels; one picture in five has a bright bar or, which makes it rare, a cross. All pixels at the end."""
    chance = np.random.default_rng(channels)
    pictures, lines = [], ["path,label,age,site"]
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(400):
            pixels = chance.integers(0, 90, (9, 11, channels), dtype=np.uint8)
            rare = index % 5 == 0
            y, x = chance.integers(1, 8), chance.integers(1, 10)
            pixels[y, x - 1 : x + 2] = 220
            if rare:
                pixels[y - 1 : y + 2, x] = (220, 90, 250)[:channels]
            pictures.append(pixels)
            name = f"{'cross' if rare else 'bar'}/{index:03}.png"
            archive.writestr(name, png(pixels[:, :, 0] if channels == 1 else pixels))
            age = "" if index % 7 == 0 else str(20 + index * 37 % 60)
            lines.append(f"{name},{'cross' if rare else 'bar'},{age},{'abc'[index % 3]}")
        if columns:
            archive.writestr("manifest.csv", "\n".join(lines) + "\n")
    return np.stack(pictures), [line.split(",") for line in lines[1:]]


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


def tolerance(case):
    return DEEP_TOLERANCE if case.endswith(": medium") else TOLERANCE


def compare(session, props, feeds, count, expected, case):
    outputs = [props["evenkeel.output.probability"], props["evenkeel.output.label"]]
    probability, label = session.run(outputs, feeds)
    assert probability.dtype == np.float64 and probability.shape == (count,), probability.shape
    assert label.shape == (count,), label.shape
    ours = np.array([float(row["probability"]) for row in expected])
    gap = np.abs(probability - ours)
    assert np.isfinite(gap).all(), "a probability is not finite"
    worst = int(gap.argmax())
    threshold = float(props["evenkeel.threshold"])
    other = [
        index
        for index, row in enumerate(expected)
        if row["label"] != label[index] and abs(ours[index] - threshold) > tolerance(case)
    ]
    assert not other, f"{len(other)} labels differ, the first in row {other[0] + 1}"
    alone = 0.0
    for index in range(0, count, max(1, count // ROWS_ALONE)):
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
    if manifest.get("picture_network"):
        note_layers(tried, manifest["picture_network"]["layers"])
    for column in manifest["preprocessor"]["columns"]:
        tried["columns"].add(column["type"])
        if column["type"] == "categorical":
            missing = column["missing"]
            tried["missing"].add(missing if isinstance(missing, str) else next(iter(missing)))


def note_layers(tried, layers):
    for layer in layers:
        tried["layers"].add(layer["type"])
        note_layers(tried, layer.get("layers", []))


def check_pictures(program, work, kind, config, name, tried):
    """Of an archive: the pixels as the graph's input, at the model's own size, which is that of all pictures."""
    channels, columns = kind
    file, folder = work / "pictures.zip", work / "model"
    pixels, rows = archive_of_pictures(file, channels, columns)
    (work / "config.json").write_text(json.dumps({**config, "evaluation": {"bootstrap": 0}}), encoding="utf-8")
    run(program, "train", "--data", file, "--config", work / "config.json", "--out", folder)
    artifact = (folder / "model.safetensors").read_bytes()
    run(program, "export", "--model", folder, "--format", "onnx", "--out", work / "model.onnx", "--name", name)
    run(program, "predict", "--model", folder, "--data", file, "--out", work / "out.csv")
    with open(work / "out.csv", newline="", encoding="utf-8") as out:
        expected = list(csv.DictReader(out))
    assert [row["path"] for row in expected] == [row[0] for row in rows]
    props = check_file(work / "model.onnx", artifact, name)
    session = onnxruntime.InferenceSession(work / "model.onnx", providers=["CPUExecutionProvider"])
    note(tried, manifest_of(artifact))
    feeds = {}
    for given in session.get_inputs():
        if given.name == "image":
            assert given.type == "tensor(uint8)" and given.shape[1:] == [9, 11, channels], (given.type, given.shape)
            feeds[given.name] = pixels
        elif given.name == "age":
            feeds[given.name] = np.array([[float(row[2]) if row[2] else math.nan] for row in rows])
        else:
            feeds[given.name] = np.array([[row[3]] for row in rows], dtype=object)
    return len(rows), compare(session, props, feeds, len(rows), expected, name)


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
    return len(rows), compare(session, props, feeds_of(session, header, rows), len(rows), expected, name)


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
        kinds = {"grey pictures": (1, False), "coloured pictures": (3, False), "pictures beside columns": (1, True)}
        cases += [(kind, name) for kind in list(kinds)[:2] for name in PICTURES]
        # Networks look at nothing but the picture.
        cases += [("pictures beside columns", name) for name in ("logistic of pixels", "isotonic logistic of pixels")]
        for dataset, name in cases:
            case = f"{dataset}: {name}"
            if arguments.only not in case:
                continue
            config = EVERYWHERE.get(name) or ONCE.get(name) or PICTURES[name]
            try:
                if dataset in kinds:
                    rows, gap = check_pictures(arguments.program, work, kinds[dataset], config, case, tried)
                else:
                    rows, gap = check(arguments.program, work, files[dataset], config, case, tried)
            except AssertionError as error:
                failures.append(f"{case}: {error}")
                print(f"{case:<60} FAILED: {error}", flush=True)
                continue
            lines.append(f"| {dataset} | {name} | {rows:,} | {gap:.1e} |")
            print(f"{case:<60} {rows:>7,} rows, at most {gap:.1e} apart", flush=True)
            if gap > tolerance(case):
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
