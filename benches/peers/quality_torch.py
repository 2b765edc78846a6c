#!/usr/bin/env python3
"""How well PyTorch learns what `benches/training.rs FILE --quality SEEDS` learns, with the same configuration.

    quality_torch.py FILE [--seeds 10] [--hidden 128] [--batch 32] [--epochs 10] [--threads 2] [--together 100]

ReLU, dropout 0.2, Adam at 0.001, the penalty 0.01 · Σw² over all weights without biases. Weights start as there: He et
al. 2015 from a normal distribution, biases 0, the output's weights a tenth as large and its bias the log-odds of the
training rows. Prints the mean and the standard error of the validation loss and of average precision after the last
epoch. Needs PyTorch and scikit-learn.

Networks are trained together, as one batch of networks: each has its own weights, order of rows, dropout and steps of
Adam (which treats every number by itself), and nothing of another. Alone they would take many times as long.
"""
import argparse
import math

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from torch.nn.functional import binary_cross_entropy_with_logits, dropout

from matrix import read

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file")
parser.add_argument("--seeds", type=int, default=10)
parser.add_argument("--hidden", type=int, nargs="*", default=[128])
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--together", type=int, default=100)
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.set_flush_denormal(True)
train_x, train_y, valid_x, valid_y = (torch.from_numpy(part) for part in read(options.file))


def layers(networks):
    """Weights (networks, inputs, outputs) and biases (networks, 1, outputs) of each layer."""
    widths = [train_x.shape[1], *options.hidden, 1]
    made = []
    for inputs, units in zip(widths, widths[1:]):
        weight = torch.randn(networks, inputs, units) * math.sqrt(2 / inputs)
        made.append([weight, torch.zeros(networks, 1, units)])
    share = train_y.mean().item()
    made[-1][0] *= 0.1
    made[-1][1].fill_(math.log(share / (1 - share)))
    return [[part.requires_grad_() for part in layer] for layer in made]


def logits(stack, rows, training):
    """(networks, rows) of rows (networks, rows, columns)."""
    for weight, bias in stack[:-1]:
        rows = dropout(torch.relu(torch.baddbmm(bias, rows, weight)), 0.2, training)
    weight, bias = stack[-1]
    return torch.baddbmm(bias, rows, weight)[:, :, 0]


def run(seed, networks):
    torch.manual_seed(seed)
    stack = layers(networks)
    optimizer = torch.optim.Adam([part for layer in stack for part in layer], lr=1e-3, fused=True)
    for _ in range(options.epochs):
        orders = torch.stack([torch.randperm(len(train_y)) for _ in range(networks)])
        for rows in orders.split(options.batch, dim=1):
            optimizer.zero_grad(set_to_none=True)
            losses = binary_cross_entropy_with_logits(logits(stack, train_x[rows], True), train_y[rows], reduction="none")
            # A sum over networks: the derivatives by the numbers of one are those of its own objective.
            penalty = sum(weight.square().sum() for weight, _ in stack)
            (losses.mean(dim=1).sum() + 0.01 * penalty).backward()
            optimizer.step()
    with torch.no_grad():
        found = logits(stack, valid_x.expand(networks, -1, -1), False).double()
    targets = valid_y.double()
    return [(binary_cross_entropy_with_logits(of_one, targets).item(), average_precision_score(valid_y, of_one))
            for of_one in found]


results = []
while len(results) < options.seeds:
    results += run(len(results), min(options.together, options.seeds - len(results)))
results = np.array(results)
means, errors = results.mean(0), results.std(0, ddof=1) / math.sqrt(options.seeds)
print(f"{options.file} {options.seeds} seeds: validation loss {means[0]:.5f} ± {errors[0]:.5f}, "
      f"average precision {means[1]:.5f} ± {errors[1]:.5f}")
