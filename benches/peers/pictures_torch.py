"""Examples per second of training the ready convolutional networks with PyTorch; benches/pictures.rs is the other side.

    python benches/peers/pictures_torch.py [--size small|medium] [--side 32] [--batch 64] [--rows 2048] [--threads 2]

Eager mode, in PyTorch's default memory format and with the channels last; the batches are drawn and scaled in advance,
which is part of Evenkeel's time. AdamW, binary cross-entropy on logits.
"""
import argparse
import time

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.projection = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.layers(x) + self.projection(x))


def network(size):
    widths, blocks = {"small": ((16, 32, 64), 1), "medium": ((32, 64, 128), 2)}[size]
    layers = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    inputs = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(Block(inputs, width, 2 if stage and not block else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=["small", "medium"], default="small")
    for name, default in ("side", 32), ("batch", 64), ("rows", 2048), ("threads", 2), ("repeat", 5):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for channels_last in False, True:
        torch.manual_seed(1)
        net = network(given.size)
        x = torch.randn(given.rows, 3, given.side, given.side)
        y = (torch.rand(given.rows) < 0.1).float()
        if channels_last:
            net = net.to(memory_format=torch.channels_last)
            x = x.to(memory_format=torch.channels_last)
        optimizer, loss = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-4), nn.BCEWithLogitsLoss()
        speeds = []
        for _ in range(given.repeat):
            begun = time.perf_counter()
            for start in range(0, given.rows, given.batch):
                optimizer.zero_grad()
                loss(net(x[start:start + given.batch])[:, 0], y[start:start + given.batch]).backward()
                optimizer.step()
            speeds.append(given.rows / (time.perf_counter() - begun))
        speeds.sort()
        layout = "channels last" if channels_last else "default format"
        print(f"PyTorch {torch.__version__}, {given.size} {given.side} x {given.side} x 3, batch {given.batch}, {layout}: "
              f"{speeds[len(speeds) // 2]:.0f} examples/s (median), {speeds[-1]:.0f} (best)")


if __name__ == "__main__":
    main()
