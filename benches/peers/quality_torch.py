#!/usr/bin/env python3
"""How well PyTorch learns what `benches/training.rs FILE --quality SEEDS` learns, with the same configuration.

    quality_torch.py FILE [--seeds 10] [--hidden 128] [--batch 32] [--epochs 10] [--threads 2]

ReLU, dropout 0.2, Adam at 0.001, the penalty 0.01 · Σw² over all weights without biases. Weights start as there: He et
al. 2015 from a normal distribution, biases 0, the output's weights a tenth as large and its bias the log-odds of the
training rows. Prints the mean and the standard error of the validation loss and of average precision after the last
epoch. Needs PyTorch and scikit-learn.
"""
import argparse
import math

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from matrix import read

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file")
parser.add_argument("--seeds", type=int, default=10)
parser.add_argument("--hidden", type=int, nargs="*", default=[128])
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.set_flush_denormal(True)
train_x, train_y, valid_x, valid_y = (torch.from_numpy(part) for part in read(options.file))


def network():
    widths = [train_x.shape[1], *options.hidden]
    layers = []
    for inputs, units in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(0.2)]
    output = nn.Linear(widths[-1], 1)
    model = nn.Sequential(*layers, output)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    with torch.no_grad():
        output.weight *= 0.1
        share = train_y.mean().item()
        output.bias.fill_(math.log(share / (1 - share)))
    return model


def run(seed):
    torch.manual_seed(seed)
    model = network()
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for _ in range(options.epochs):
        model.train()
        for rows in torch.randperm(len(train_y)).split(options.batch):
            optimizer.zero_grad(set_to_none=True)
            loss = binary_cross_entropy_with_logits(model(train_x[rows])[:, 0], train_y[rows])
            (loss + 0.01 * sum(weight.square().sum() for weight in weights)).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(valid_x)[:, 0].double()
        loss = binary_cross_entropy_with_logits(logits, valid_y.double()).item()
    return loss, average_precision_score(valid_y.numpy(), logits.numpy())


results = np.array([run(seed) for seed in range(options.seeds)])
means, errors = results.mean(0), results.std(0, ddof=1) / math.sqrt(options.seeds)
print(f"{options.file} {options.seeds} seeds: validation loss {means[0]:.5f} ± {errors[0]:.5f}, "
      f"average precision {means[1]:.5f} ± {errors[1]:.5f}")
