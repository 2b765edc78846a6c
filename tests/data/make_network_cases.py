#!/usr/bin/env python3
"""Writes network-cases.json: small networks trained by PyTorch, in double precision, from given weights.

Every optimizer meets every normalization, with and without residual connections; activations, losses, clipping,
penalties, row weights and averages are dealt out over these. tests/ml/network_reference.rs takes the same steps.

    python make_network_cases.py > network-cases.json     # PyTorch 2.15
"""
import itertools
import json
import math
import random

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.swa_utils import AveragedModel

torch.set_default_dtype(torch.float64)
STEPS, BATCH, INPUTS, HIDDEN = 6, 8, 3, [3, 5, 5]
RATES = [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]

ACTIVATIONS = {
    "relu": lambda units: nn.ReLU(), "leaky_relu": lambda units: nn.LeakyReLU(0.01), "prelu": nn.PReLU,
    "elu": lambda units: nn.ELU(), "selu": lambda units: nn.SELU(), "gelu": lambda units: nn.GELU(),
    "silu": lambda units: nn.SiLU(), "mish": lambda units: nn.Mish(), "tanh": lambda units: nn.Tanh(),
    "sigmoid": lambda units: nn.Sigmoid(),
}
NORMS = {"none": None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
# A large epsilon shows where it is added, and keeps Adam from dividing rounding errors by each other.
OPTIMIZERS = [
    {"type": "adam", "learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.001},
    {"type": "adamw", "learning_rate": 0.02, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 0.001, "weight_decay": 0.3},
    {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False},
    {"type": "sgd", "learning_rate": 0.1, "momentum": 0.8, "nesterov": True},
    {"type": "rmsprop", "learning_rate": 0.01, "rho": 0.9, "momentum": 0.5, "epsilon": 0.001},
]
LOSSES = [
    {"type": "bce", "class_weight": None, "label_smoothing": 0.0},
    {"type": "bce", "class_weight": "balanced", "label_smoothing": 0.0},
    {"type": "bce", "class_weight": None, "label_smoothing": 0.2},
    {"type": "focal", "gamma": 2.0, "alpha": 0.25},
    {"type": "asymmetric", "gamma_positive": 1.0, "gamma_negative": 3.0, "margin": 0.05},
    {"type": "logit_adjusted", "tau": 1.5},
    {"type": "ldam", "max_margin": 0.5, "scale": 3.0},
    {"type": "class_balanced", "beta": 0.9},
]
CLIPPING = [None, {"type": "norm", "max": 0.1}, {"type": "value", "max": 0.02}]
PENALTIES = [{"l1": 0.0, "l2": 0.0}, {"l1": 0.003, "l2": 0.0}, {"l1": 0.001, "l2": 0.01}]
AVERAGES = [None, None, {"type": "ema", "decay": 0.3}, {"type": "swa", "start_epoch": 3}]


class Hidden(nn.Module):
    def __init__(self, inputs, units, case):
        super().__init__()
        self.affine = nn.Linear(inputs, units)
        norm = NORMS[case["normalization"]]
        self.norm = norm(units) if norm else None
        self.activation = ACTIVATIONS[case["activation"]](units)
        self.residual = case["residual"] and inputs == units

    def forward(self, x):
        z = self.affine(x)
        out = self.activation(self.norm(z) if self.norm else z)
        return out + x if self.residual else out


class Net(nn.Module):
    def __init__(self, case):
        super().__init__()
        widths = [INPUTS, *HIDDEN]
        self.hidden = nn.ModuleList(Hidden(i, u, case) for i, u in zip(widths, widths[1:]))
        self.output = nn.Linear(widths[-1], 1)

    def forward(self, x):
        for layer in self.hidden:
            x = layer(x)
        return self.output(x)[:, 0]

    def weights(self):
        return [layer.affine.weight for layer in self.hidden] + [self.output.weight]

    def named(self):
        """Tensors by the names that artifacts use."""
        out = {"output.weight": self.output.weight, "output.bias": self.output.bias}
        for i, layer in enumerate(self.hidden):
            out |= {f"hidden.{i}.weight": layer.affine.weight, f"hidden.{i}.bias": layer.affine.bias}
            if layer.norm:
                out |= {f"hidden.{i}.norm.scale": layer.norm.weight, f"hidden.{i}.norm.shift": layer.norm.bias}
            if isinstance(layer.norm, nn.BatchNorm1d):
                out |= {f"hidden.{i}.norm.running_mean": layer.norm.running_mean,
                        f"hidden.{i}.norm.running_variance": layer.norm.running_var}
            if isinstance(layer.activation, nn.PReLU):
                out[f"hidden.{i}.below"] = layer.activation.weight
        return out


def losses(loss, z, y, positives, negatives):
    """The loss of each row, without weights."""
    p = torch.sigmoid(z)
    cross_entropy = lambda z, y: binary_cross_entropy_with_logits(z, y, reduction="none")
    right = torch.where(y == 1, p, 1 - p)
    match loss["type"]:
        case "focal":
            alpha = torch.where(y == 1, loss["alpha"], 1 - loss["alpha"])
            return -alpha * (1 - right) ** loss["gamma"] * right.log()
        case "asymmetric":
            q = (p - loss["margin"]).clamp(min=0)
            return -torch.where(y == 1, (1 - p) ** loss["gamma_positive"] * p.log(),
                                q ** loss["gamma_negative"] * (1 - q).log())
        case "logit_adjusted":
            return cross_entropy(z + loss["tau"] * math.log(positives / negatives), y)
        case "ldam":
            margins = torch.tensor([negatives, positives], dtype=torch.float64) ** -0.25
            margins *= loss["max_margin"] / margins.max()
            return cross_entropy(loss["scale"] * torch.where(y == 1, z - margins[1], z + margins[0]), y)
        case "bce":
            smoothing = loss["label_smoothing"]
            return cross_entropy(z, y * (1 - smoothing) + smoothing / 2)
        case "class_balanced":
            return cross_entropy(z, y)


def class_weights(loss, positives, negatives):
    """Of positives and negatives."""
    if loss.get("class_weight") == "balanced":
        return [(positives + negatives) / (2 * n) for n in (positives, negatives)]
    if loss["type"] == "class_balanced":
        raw = [(1 - loss["beta"]) / (1 - loss["beta"] ** n) for n in (positives, negatives)]
        return [2 * w / sum(raw) for w in raw]
    return [1.0, 1.0]


def optimizer_of(config, net):
    rate = config["learning_rate"]
    weights = net.weights()
    others = [p for p in net.parameters() if all(p is not w for w in weights)]
    match config["type"]:
        case "adam":
            return torch.optim.Adam(net.parameters(), rate, (config["beta_1"], config["beta_2"]), config["epsilon"])
        case "adamw":
            groups = [{"params": weights, "weight_decay": config["weight_decay"]}, {"params": others, "weight_decay": 0}]
            return torch.optim.AdamW(groups, rate, (config["beta_1"], config["beta_2"]), config["epsilon"])
        case "sgd":
            return torch.optim.SGD(net.parameters(), rate, config["momentum"], nesterov=config["nesterov"])
        case "rmsprop":
            return torch.optim.RMSprop(net.parameters(), rate, config["rho"], config["epsilon"], momentum=config["momentum"])


def averaged(config, net):
    if config is None:
        return None
    if config["type"] == "swa":
        return AveragedModel(net, use_buffers=True)
    # From the start weights on, not from those of the first step.
    keep = lambda steps: min(config["decay"], float(steps) / (9.0 + float(steps)))
    average = AveragedModel(net, avg_fn=lambda a, now, n: keep(n) * a + (1 - keep(n)) * now, use_buffers=True)
    average.n_averaged += 1
    return average


def written(net):
    return {name: [round(v, 9) for v in tensor.detach().flatten().tolist()] for name, tensor in net.named().items()}


def run(case, data):
    features, labels, row_weights = (torch.tensor(data[name], dtype=torch.float64) for name in ("features", "labels", "weights"))
    positives, negatives = int(labels.sum()), int((1 - labels).sum())
    net = Net(case)
    with torch.no_grad():
        for name, tensor in net.named().items():
            if "running" not in name:
                tensor += 0.2 * torch.randn(tensor.shape)
            tensor.copy_((tensor * 1e4).round() / 1e4)
    case["start"] = written(net)
    optimizer, average = optimizer_of(case["optimizer"], net), averaged(case["averaging"], net)
    of_class = class_weights(case["loss"], positives, negatives)
    net.train()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = case["optimizer"]["learning_rate"] * RATES[step]
        rows = torch.arange(BATCH) + BATCH * (step % 2)
        y = labels[rows]
        weight = torch.where(y == 1, *of_class)
        if case["row_weights"]:
            weight = weight * row_weights[rows]
        loss = (weight * losses(case["loss"], net(features[rows]), y, positives, negatives)).sum() / weight.sum()
        penalty = case["regularization"]
        for w in net.weights():
            loss = loss + penalty["l1"] * w.abs().sum() + penalty["l2"] * w.square().sum()
        optimizer.zero_grad()
        loss.backward()
        clipping = case["clipping"]
        if clipping and clipping["type"] == "norm":
            nn.utils.clip_grad_norm_(net.parameters(), clipping["max"])
        elif clipping:
            nn.utils.clip_grad_value_(net.parameters(), clipping["max"])
        optimizer.step()
        if average is not None and (case["averaging"]["type"] == "ema" or step + 1 >= case["averaging"]["start_epoch"]):
            average.update_parameters(net)
    last = net if average is None else average.module
    last.eval()
    case["end"] = written(last)
    case["logits"] = [round(v, 9) for v in last(features).tolist()]
    return case


def main():
    torch.manual_seed(7)
    chance = random.Random(7)
    combinations = list(itertools.product(OPTIMIZERS, NORMS, [False, True]))

    def dealt(choices):
        """Each choice about equally often, in random order."""
        cards = (choices * (len(combinations) // len(choices) + 1))[: len(combinations)]
        chance.shuffle(cards)
        return cards

    # The first batch has two positives of eight, the second three.
    labels = [int(row in (1, 4, 9, 12, 13)) for row in range(2 * BATCH)]
    data = {
        "features": [[round(chance.gauss(0.5 * label, 1), 3) for _ in range(INPUTS)] for label in labels],
        "labels": labels,
        "weights": [chance.choice([0.0, 0.5, 1.0, 3.0]) for _ in labels],
    }
    columns = [combinations, dealt(list(ACTIVATIONS)), dealt(LOSSES), dealt(CLIPPING), dealt(PENALTIES), dealt(AVERAGES),
               dealt([False, False, True])]
    cases = [
        run({"hidden_layers": HIDDEN, "activation": activation, "normalization": normalization, "residual": residual,
             "optimizer": optimizer, "loss": loss, "clipping": clipping, "regularization": penalty, "averaging": average,
             "row_weights": weighted}, data)
        for (optimizer, normalization, residual), activation, loss, clipping, penalty, average, weighted in zip(*columns)
    ]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    head = json.dumps({"batch": BATCH, "rates": RATES, **data}, separators=(",", ":"))[:-1]
    print(f'{head},"cases":[\n{lines}\n]}}')


if __name__ == "__main__":
    main()
