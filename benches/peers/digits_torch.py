"""The `small` network in PyTorch, on the digits, with the remedies of docs/images.md.

    pip install torch numpy pillow
    python benches/peers/digits_torch.py split tests/data/datasets/digits-eight.zip DIR [SEEDS]
    python benches/peers/digits_torch.py train DIR he_normal|default [REMEDY...]

`split` writes DIR/digits-SEED.zip for seeds 1 to 5, or as many as are said: the same pictures with a manifest whose column
`split` says train, validation or test (60 : 20 : 20, each class by itself), so that Evenkeel (benches/picture_remedies.py) and
PyTorch see the same rows. `train` prints the average precision on the test pictures after the last of 40 epochs, mean and
deviation over the seeds, with each remedy or those named. Convolutions begin as Evenkeel's do, or as PyTorch's do by default.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

REMEDIES = ["nothing", "weights", "over", "augment", "over + augment"]
EPOCHS = 40
BATCH = 32


def split(archive, to, seeds="5"):
    source = zipfile.ZipFile(archive)
    names = sorted(name for name in source.namelist() if name.endswith(".png"))
    labels = np.array([name.split("/")[0] for name in names])
    Path(to).mkdir(exist_ok=True)
    for seed in range(1, int(seeds) + 1):
        rng = np.random.default_rng(seed)
        parts = np.empty(len(names), dtype=object)
        for label in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == label))
            first, second = round(0.6 * len(rows)), round(0.8 * len(rows))
            parts[rows[:first]], parts[rows[first:second]], parts[rows[second:]] = "train", "validation", "test"
        with zipfile.ZipFile(f"{to}/digits-{seed}.zip", "w") as out:
            lines = [f"{name},{label},{part}" for name, label, part in zip(names, labels, parts)]
            out.writestr("manifest.csv", "path,label,split\n" + "\n".join(lines) + "\n")
            for name in names:
                out.writestr(name, source.read(name))


def load(path):
    archive = zipfile.ZipFile(path)
    rows = [line.split(",") for line in archive.read("manifest.csv").decode().split()[1:]]
    pictures = [np.asarray(Image.open(io.BytesIO(archive.read(name))), dtype=np.float32) / 255 for name, _, _ in rows]
    labels = np.array([label == "eight" for _, label, _ in rows])
    return np.stack(pictures)[:, None], labels, np.array([part for _, _, part in rows])


def network(torch, channels, initializer):
    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self, inputs, width, stride):
            super().__init__()
            self.inner = nn.Sequential(
                nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
            self.project = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)) \
                if stride > 1 else nn.Identity()

        def forward(self, x):
            return torch.relu(self.inner(x) + self.project(x))

    model = nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 1))
    if initializer == "he_normal":
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model


def disturb(torch, batch, generator):
    """Turned by up to 15 degrees, then moved by up to one pixel; beyond the edge is what is at the edge."""
    count = len(batch)
    angle = (torch.rand(count, generator=generator) * 2 - 1) * np.pi / 12
    move = torch.randint(-1, 2, (count, 2), generator=generator) * 2 / batch.shape[-1]
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin, -cos * move[:, 0] + sin * move[:, 1]], 1),
                          torch.stack([sin, cos, -sin * move[:, 0] - cos * move[:, 1]], 1)], 1)
    grid = torch.nn.functional.affine_grid(matrix, batch.shape, align_corners=False)
    return torch.nn.functional.grid_sample(batch, grid, "bilinear", "border", align_corners=False)


def average_precision(labels, scores):
    order = np.argsort(-scores, kind="stable")
    hits = labels[order]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def train_one(torch, data, remedy, seed, initializer):
    pictures, labels, parts = data
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    rows = np.flatnonzero(parts == "train")
    mean, spread = pictures[rows].mean(), pictures[rows].std()
    positives, negatives = rows[labels[rows]], rows[~labels[rows]]
    if "over" in remedy:
        draws = np.random.default_rng(seed).choice(positives, len(negatives) - len(positives))
        rows = np.concatenate([rows, draws])
    weight = len(negatives) / len(positives) if "weights" in remedy else 1.0
    model = network(torch, 1, initializer)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weight))
    x, y = torch.from_numpy(pictures), torch.from_numpy(labels.astype(np.float32))
    for _ in range(EPOCHS):
        order = rows[torch.randperm(len(rows), generator=generator).numpy()]
        for start in range(0, len(order), BATCH):
            some = order[start:start + BATCH]
            if len(some) < 2:
                continue
            batch = x[some]
            if "augment" in remedy:
                batch = disturb(torch, batch, generator)
            optimizer.zero_grad()
            loss(model((batch - mean) / spread)[:, 0], y[some]).backward()
            optimizer.step()
    model.eval()
    test = np.flatnonzero(parts == "test")
    with torch.no_grad():
        scores = model((x[test] - mean) / spread)[:, 0].numpy()
    return average_precision(labels[test], scores)


def train(directory, initializer, *remedies):
    import torch
    torch.set_num_threads(1)
    files = sorted((int(path.stem.split("-")[1]), path) for path in Path(directory).glob("digits-*.zip"))
    for remedy in remedies or REMEDIES:
        found = [train_one(torch, load(path), remedy, seed, initializer) for seed, path in files]
        print(f"{remedy}: {np.mean(found):.4f} ± {np.std(found, ddof=1):.4f}", [round(ap, 4) for ap in found], flush=True)


if __name__ == "__main__":
    {"split": split, "train": train}[sys.argv[1]](*sys.argv[2:])
