#!/usr/bin/env python3
"""What each remedy is worth on pictures: the tables of docs/images.md.

    cargo build --release
    picture_remedies.py target/release/evenkeel digits DIR          archives of `peers/digits_torch.py split`, one a seed
    picture_remedies.py target/release/evenkeel clutter FILE SEEDS  an archive of the example `cluttered_pictures`

Trains the `small` network through the command line, with and without class weights, over-sampling and augmentation, and prints
the average precision on the test pictures: mean and standard deviation over the seeds, then each.
"""
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OVER = [{"method": "random_over_sampler"}]
SETS = {
    "digits": {
        "augment": [{"method": "rotation", "degrees": 15, "classes": "all", "border": "edge"},
                    {"method": "random_crop", "padding": 1, "classes": "all", "border": "edge"}],
        "job": {"split": {"strategy": "column", "column": "split"}, "training": {"epochs": 40, "batch_size": 32}},
    },
    "clutter": {
        "augment": [{"method": "rotation", "degrees": 180, "classes": "all", "border": "reflect"},
                    {"method": "horizontal_flip", "classes": "all"},
                    {"method": "random_crop", "padding": 4, "classes": "all", "border": "reflect"}],
        "job": {"training": {"epochs": 20, "batch_size": 64}},
    },
}


def remedies(kind):
    augment = SETS[kind]["augment"]
    return {
        "logistic": {"model": {"type": "logistic"}, "training": None},
        "nothing": {},
        "class weights": {"loss": {"type": "bce", "class_weight": "balanced"}},
        "over-sampling": {"resample": OVER},
        "augmentation": {"augment": augment},
        "over-sampling and augmentation": {"resample": OVER, "augment": augment},
    }


def train(program, file, job):
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "job.json")
        config.write_text(json.dumps(job))
        command = [program, "train", "--data", file, "--config", str(config), "--out", f"{directory}/out"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{json.dumps(job)}\n{done.stdout}{done.stderr}")
        report = json.loads(Path(directory, "out", "report.json").read_text())
        about = json.loads(Path(directory, "out", "job.json").read_text())
        speed = (about.get("training") or about.get("model", {}).get("training") or {}).get("examples_per_second")
        return report["metrics"]["average_precision"]["value"], speed


def main(program, kind, source, *seeds):
    chosen = SETS[kind]
    files = {int(path.stem.split("-")[1]): str(path) for path in sorted(Path(source).glob("*.zip"))} if kind == "digits" \
        else {int(seed): source for seed in seeds}
    for name, remedy in remedies(kind).items():
        found, speed = [], None
        for seed, file in files.items():
            job = {"type": "train", "seed": seed, "model": {"type": "cnn", "size": "small"},
                   "evaluation": {"bootstrap": 0}, **chosen["job"], **remedy}
            if job["training"] is None:
                del job["training"]
            else:
                job["training"] = {**job["training"], "early_stopping": None}
                job["optimizer"] = {"type": "adam", "learning_rate": 0.001}
            value, speed = train(program, file, job)
            found.append(value)
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(f"{name}: {statistics.mean(found):.4f} ± {spread:.4f}", [round(value, 4) for value in found], speed, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
