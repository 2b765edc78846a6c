"""Reads what prepare.py writes, as benches/training.rs does: the last fifth of the rows validates."""
import json

import numpy as np


def read(path):
    """Training features and labels, validation features and labels, all float32."""
    with open(path + ".json") as file:
        shape = json.load(file)
    features = np.fromfile(path, "<f4").reshape(shape["rows"], shape["columns"])
    labels = np.fromfile(path + ".labels", np.uint8).astype(np.float32)
    rows = len(labels) - len(labels) // 5
    return features[:rows], labels[:rows], features[rows:], labels[rows:]
