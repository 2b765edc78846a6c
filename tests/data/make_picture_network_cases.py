#!/usr/bin/env python3
"""Writes picture-network-cases.json: small convolutional networks by PyTorch, in double precision, from given weights.

Each kind of layer stands in a network of its own, then all of them together in residual ones: logits and derivatives of
the first step, weights and running statistics after some steps, and predictions. tests/ml/picture_reference.rs does the
same.

    python make_picture_network_cases.py > picture-network-cases.json     # PyTorch 2.15
"""
import json

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

torch.set_default_dtype(torch.float64)
STEPS, BATCH = 3, 4

ACTIVATIONS = {
    "relu": lambda channels: nn.ReLU(), "leaky_relu": lambda channels: nn.LeakyReLU(0.01), "prelu": nn.PReLU,
    "elu": lambda channels: nn.ELU(), "selu": lambda channels: nn.SELU(), "gelu": lambda channels: nn.GELU(),
    "silu": lambda channels: nn.SiLU(), "mish": lambda channels: nn.Mish(), "tanh": lambda channels: nn.Tanh(),
    "sigmoid": lambda channels: nn.Sigmoid(),
}
# Our names of what PyTorch calls weight and bias.
NAMES = {
    nn.Conv2d: ["weight", "bias"], nn.Linear: ["weight", "bias"], nn.BatchNorm2d: ["scale", "shift"],
    nn.PReLU: ["below"],
}


class Flat(nn.Module):
    """An affine function of all channels of all pixels, pixel by pixel."""

    def __init__(self, inputs, units, bias):
        super().__init__()
        self.linear = nn.Linear(inputs, units, bias)

    def forward(self, x):
        return self.linear(x.permute(0, 2, 3, 1).flatten(1))[:, :, None, None]


class Residual(nn.Module):
    def __init__(self, layers, projection):
        super().__init__()
        self.layers, self.projection = layers, projection

    def forward(self, x):
        return self.layers(x) + (self.projection(x) if self.projection else x)


def build(layers, prefix, x, named):
    """The layers as one module, for an input like x; adds modules to `named` by our names."""
    modules = []
    for index, layer in enumerate(layers):
        name, kind, channels = f"{prefix}layers.{index}", layer["type"], x.shape[1]
        window = [layer.get(key) for key in ("kernel", "stride", "padding")]
        if kind == "conv":
            module = named[name] = nn.Conv2d(channels, layer["filters"], *window, bias=layer["bias"])
        elif kind == "depthwise_conv":
            module = named[name] = nn.Conv2d(channels, channels, *window, groups=channels, bias=layer["bias"])
        elif kind in ("max_pool", "avg_pool"):
            pool = nn.MaxPool2d if kind == "max_pool" else nn.AvgPool2d
            module = pool(layer["size"], layer["stride"], layer["padding"])
        elif kind == "batch_norm":
            module = named[name] = nn.BatchNorm2d(channels)
        elif kind == "activation":
            module = ACTIVATIONS[layer["function"]](channels)
            if layer["function"] == "prelu":
                named[name] = module
        elif kind == "global_avg_pool":
            module = nn.AdaptiveAvgPool2d(1)
        elif kind == "global_max_pool":
            module = nn.AdaptiveMaxPool2d(1)
        elif kind == "dense":
            module = Flat(x[0].numel(), layer["units"], layer["bias"])
            named[name] = module.linear
        elif kind == "residual":
            inner = build(layer["layers"], f"{name}.", x, named)
            inner.eval()
            y, projection = inner(x), None
            if y.shape != x.shape:
                assert layer["projection"]
                stride = -(-x.shape[2] // y.shape[2])
                conv, norm = nn.Conv2d(channels, y.shape[1], 1, stride, bias=False), nn.BatchNorm2d(y.shape[1])
                named[f"{name}.projection"] = (conv, norm)
                projection = nn.Sequential(conv, norm)
            module = Residual(inner, projection)
        module.eval()
        x = module(x)
        modules.append(module)
    return nn.Sequential(*modules)


class Net(nn.Module):
    def __init__(self, case):
        super().__init__()
        height, width, channels = (case["input"][key] for key in ("height", "width", "channels"))
        self.named = {}
        x = torch.zeros(1, channels, height, width)
        self.layers = build(case["layers"], "", x, self.named)
        self.output = nn.Linear(self.layers(x).mean((2, 3)).shape[1], 1)
        self.named["output"] = self.output

    def forward(self, x):
        return self.output(self.layers(x).mean((2, 3)))[:, 0]

    def tensors(self):
        """Everything by our names: parameters, then running statistics."""
        parameters, running = {}, {}
        for name, modules in self.named.items():
            for module in modules if isinstance(modules, tuple) else (modules,):
                for ours, theirs in zip(NAMES[type(module)], ("weight", "bias")):
                    if getattr(module, theirs) is not None:
                        parameters[f"{name}.{ours}"] = getattr(module, theirs)
                if isinstance(module, nn.BatchNorm2d):
                    running[f"{name}.running_mean"] = module.running_mean
                    running[f"{name}.running_variance"] = module.running_var
        return parameters, running


def ours(tensor):
    """In our order: of filters, line by line, pixel by pixel, channel by channel."""
    return tensor.permute(0, 2, 3, 1).reshape(tensor.shape[0], -1) if tensor.dim() == 4 else tensor


def numbers(tensors):
    return {name: [float(f"{value:.9g}") for value in ours(tensor.detach()).flatten().tolist()]
            for name, tensor in tensors.items()}


def run(case):
    torch.manual_seed(len(json.dumps(case)))
    net = Net(case)
    parameters, running = net.tensors()
    with torch.no_grad():
        for name, tensor in parameters.items():
            if name.endswith(("scale", "below")):
                tensor.copy_(torch.rand_like(tensor) + 0.3)
            elif name.endswith(("shift", "bias")):
                tensor.copy_(torch.randn_like(tensor) * 0.3)
            tensor.copy_(tensor.float())
    side = [case["input"][key] for key in ("channels", "height", "width")]
    x = torch.randn(BATCH, *side).float().double()
    y = torch.tensor([1.0, 0.0, 0.0, 1.0])
    start = numbers(parameters)
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    first = None
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits = net(x)
        binary_cross_entropy_with_logits(logits, y).backward()
        if first is None:
            slopes = {name: tensor.grad for name, tensor in parameters.items()}
            first = {"logits": numbers({"": logits})[""], "slopes": numbers(slopes), "running": numbers(running)}
        optimizer.step()
    net.eval()
    return {
        **case, "pictures": [numbers({"": picture})[""] for picture in x.permute(0, 2, 3, 1).flatten(1)], "start": start, "first": first,
        "end": numbers(parameters) | numbers(running), "logits": numbers({"": net(x)})[""],
    }


def conv(filters, kernel=3, stride=1, padding=1, bias=True):
    return {"type": "conv", "filters": filters, "kernel": kernel, "stride": stride, "padding": padding, "bias": bias}


def depthwise(kernel=3, stride=1, padding=1, bias=True):
    return {"type": "depthwise_conv", "kernel": kernel, "stride": stride, "padding": padding, "bias": bias}


def pool(kind, size, stride, padding):
    return {"type": f"{kind}_pool", "size": size, "stride": stride, "padding": padding}


def activation(function="relu"):
    return {"type": "activation", "function": function}


def residual(layers, projection=False):
    return {"type": "residual", "layers": layers, "projection": projection}


NORM = {"type": "batch_norm"}
AVERAGE, LARGEST = {"type": "global_avg_pool"}, {"type": "global_max_pool"}


def block(filters, stride=1, function="relu"):
    inner = [conv(filters, stride=stride, bias=False), NORM, activation(function), conv(filters, bias=False), NORM]
    return [residual(inner, stride > 1), activation(function)]


def dense(units, bias=True):
    return {"type": "dense", "units": units, "bias": bias}


CASES = [
    # Each layer by itself, behind a convolution whose weights need its derivatives.
    ((5, 6, 3), [conv(4)]),
    ((5, 6, 1), [conv(3), conv(2, kernel=5, padding=2)]),
    ((7, 6, 3), [conv(3), conv(4, stride=2)]),
    ((8, 9, 1), [conv(3, padding=0), conv(17, kernel=2, stride=3, padding=0), conv(2, kernel=1, padding=0)]),
    ((7, 7, 3), [conv(18, kernel=4, stride=2, padding=2), conv(20, kernel=1, stride=2, padding=0)]),
    ((6, 5, 3), [depthwise(), conv(3), depthwise(kernel=3, stride=2, padding=1)]),
    ((6, 7, 1), [conv(3), depthwise(kernel=2, padding=0, bias=False), conv(2)]),
    ((6, 6, 3), [conv(3), pool("max", 2, 2, 0)]),
    ((7, 6, 1), [conv(3), pool("max", 3, 2, 1), conv(2)]),
    ((6, 7, 3), [conv(3), pool("avg", 2, 2, 0)]),
    ((7, 6, 1), [pool("avg", 3, 2, 1), conv(3), pool("avg", 3, 1, 1), conv(2)]),
    ((5, 5, 3), [conv(3, bias=False), NORM]),
    ((5, 5, 3), [NORM, conv(3), NORM, conv(2)]),
    ((4, 5, 3), [conv(3), LARGEST]),
    ((4, 5, 3), [conv(3), AVERAGE, dense(4), activation(), dense(3, bias=False), NORM]),
    ((4, 5, 1), [conv(3), dense(4), activation("tanh")]),
    ((3, 3, 3), [dense(5)]),
    ((5, 5, 3), []),
    *(((5, 4, 1), [conv(3), activation(function), conv(2), NORM, activation(function)]) for function in ACTIVATIONS),
    # Residual blocks: what is added as it is, or projected; bare, normalized, activated before or after.
    ((5, 5, 3), [conv(3), residual([conv(3)])]),
    ((5, 5, 3), [conv(3), activation(), residual([activation("elu"), conv(3)]), conv(2)]),
    ((5, 6, 3), [conv(3), residual([NORM]), residual([NORM, activation()]), conv(2)]),
    ((6, 6, 3), [residual([conv(4, stride=2)], True), activation()]),
    ((6, 6, 1), [residual([conv(1), activation()]), residual([residual([conv(3)], True), pool("max", 2, 2, 0)], True)]),
    ((8, 8, 3), [conv(4, bias=False), NORM, activation(), *block(4), *block(6, 2), *block(18, 2, "silu"), AVERAGE]),
    # Wide enough to be computed in tiles.
    ((8, 7, 1), [conv(16, bias=False), NORM, activation(), residual([conv(16)]), conv(2)]),
]

if __name__ == "__main__":
    sides = ("height", "width", "channels")
    cases = [run({"input": dict(zip(sides, side)), "layers": layers}) for side, layers in CASES]
    print(json.dumps({"steps": STEPS, "labels": [1, 0, 0, 1], "cases": cases}, separators=(",", ":")))
