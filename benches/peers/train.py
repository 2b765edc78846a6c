#!/usr/bin/env python3
"""Training speed of other libraries on what benches/training.rs trains, in examples per second.

    train.py FILE [--hidden 128] [--batch 32] [--epochs 10] [--threads 2] [--repeat 3]
             [--peers sklearn torch torch-compiled keras]

FILE comes from prepare.py; the last fifth of its rows validates after each epoch. The network is as there: ReLU, dropout
0.2, Adam at 0.001, the penalty 0.01 · Σw². scikit-learn has no dropout, and its fit no validation. Each figure is the
median of --repeat runs; one short run goes before, so that compiling and loading are not counted. A peer that is not
installed is named and left out; with none there is nothing to print and the status is 1.

- scikit-learn: MLPClassifier(alpha=2 · batch · 0.01)
- PyTorch: eager, slices of one shuffled copy an epoch, Adam(fused=True), set_flush_denormal(True)
- PyTorch, compiled: the same with torch.compile of the forward pass, the loss and the penalty; needs a C++ compiler
- Keras: model.fit with the TensorFlow backend
"""
import argparse
import os
import statistics
import sys
import time
import warnings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file")
parser.add_argument("--hidden", type=int, nargs="+", default=[128])
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--peers", nargs="+", choices=["sklearn", "torch", "torch-compiled", "keras"],
                    default=["sklearn", "torch", "torch-compiled", "keras"])
options = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

from matrix import read  # noqa: E402  (NumPy reads the number of threads when it is loaded)


def sklearn():
    from sklearn import __version__
    from sklearn.neural_network import MLPClassifier

    def run(seed, epochs):
        warnings.filterwarnings("ignore")  # that the epochs were too few to converge
        MLPClassifier(options.hidden, alpha=2 * options.batch * 0.01, batch_size=options.batch, max_iter=epochs, tol=0,
                      n_iter_no_change=1_000_000, random_state=seed).fit(train_x, train_y)

    return f"scikit-learn {__version__}", run


def torch(is_compiled=False):
    import torch
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    features, labels, valid_features, valid_labels = (torch.from_numpy(part) for part in data)
    widths, layers = [features.shape[1], *options.hidden], []
    for inputs, units in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(0.2)]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
    affine = [layer for layer in model if isinstance(layer, nn.Linear)]

    def objective(rows, targets):
        loss = binary_cross_entropy_with_logits(model(rows)[:, 0], targets)
        for layer in affine:
            loss = loss + 0.01 * layer.weight.square().sum()
        return loss

    if is_compiled:
        objective = torch.compile(objective, dynamic=False)

    def run(seed, epochs):
        torch.manual_seed(seed)
        for layer in affine:
            layer.reset_parameters()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        for _ in range(epochs):
            model.train()
            order = torch.randperm(len(labels))
            shuffled = zip(features[order].split(options.batch), labels[order].split(options.batch))
            for rows, targets in shuffled:
                optimizer.zero_grad(set_to_none=True)
                objective(rows, targets).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                binary_cross_entropy_with_logits(model(valid_features)[:, 0], valid_labels).item()

    return f"PyTorch {torch.__version__}" + (", compiled" if is_compiled else ""), run


def keras():
    import tensorflow
    import keras
    from keras import layers, regularizers

    tensorflow.config.threading.set_intra_op_parallelism_threads(options.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(options.threads)
    train_x, train_y, valid_x, valid_y = data

    def run(seed, epochs):
        keras.utils.set_random_seed(seed)
        stack = [layers.Input((train_x.shape[1],))]
        for units in options.hidden:
            dense = layers.Dense(units, activation="relu", kernel_regularizer=regularizers.L2(0.01))
            stack += [dense, layers.Dropout(0.2)]
        output = layers.Dense(1, activation="sigmoid", kernel_regularizer=regularizers.L2(0.01))
        model = keras.Sequential([*stack, output])
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
        model.fit(train_x, train_y, batch_size=options.batch, epochs=epochs, validation_data=(valid_x, valid_y),
                  validation_batch_size=8192, verbose=0)

    return f"Keras {keras.__version__}, TensorFlow {tensorflow.__version__}", run


data = read(options.file)
train_x, train_y, _, _ = data
printed = 0
for peer in options.peers:
    try:
        name, run = {"sklearn": sklearn, "torch": torch, "torch-compiled": lambda: torch(True), "keras": keras}[peer]()
    except ImportError as error:
        print(f"{peer}: not installed ({error})", file=sys.stderr)
        continue
    run(0, 1)
    seconds = []
    for seed in range(options.repeat):
        begun = time.perf_counter()
        run(seed, options.epochs)
        seconds.append(time.perf_counter() - begun)
    median = statistics.median(seconds)
    print(f"{options.file} {options.hidden} batch {options.batch} {name}: "
          f"{len(train_y) * options.epochs / median:.0f} examples/s, {median:.2f} s", flush=True)
    printed += 1
sys.exit(0 if printed else 1)
