"""What the peers of serving need, and what they do with a million rows.

    serving_rows.py network OUT.onnx          a network of 30 -> 128 -> 1 with random weights
    serving_rows.py rows DIR --rows 1000000   DIR/rows.csv and DIR/rows.arrows with 30 columns, DIR/rows_batches of 65,536 rows
    serving_rows.py pandas ROWS.csv OUT.onnx  pandas reads, onnxruntime predicts; seconds of each
    serving_rows.py bare ROWS.arrows          pyarrow reads the stream from a socket, numpy multiplies the matrices; seconds of both

Needs numpy, pandas, pyarrow, onnx, onnxruntime. Each prints one line of JSON.
"""

import argparse
import json
import os
import socket
import threading
import time

import numpy as np

COLUMNS = [f"x{column}" for column in range(30)]


def network(out):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    chance = np.random.default_rng(0)
    weights = {
        "w1": chance.normal(size=(30, 128)).astype(np.float32) / 6,
        "b1": np.zeros(128, np.float32),
        "w2": chance.normal(size=(128, 1)).astype(np.float32) / 11,
        "b2": np.zeros(1, np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["rows", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["a"]),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 30])
    probability = helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 1])
    graph = helper.make_graph(nodes, "network", [rows], [probability],
                              [numpy_helper.from_array(value, name) for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, out)


def rows(folder, count):
    import pyarrow as pa
    import pyarrow.csv

    os.makedirs(folder, exist_ok=True)
    chance = np.random.default_rng(1)
    table = pa.table({name: np.round(chance.normal(size=count), 5) for name in COLUMNS})
    pyarrow.csv.write_csv(table, os.path.join(folder, "rows.csv"), pyarrow.csv.WriteOptions(quoting_style="none"))
    with pa.ipc.new_stream(os.path.join(folder, "rows.arrows"), table.schema) as stream:
        stream.write_table(table, max_chunksize=65_536)


def pandas_and_onnxruntime(path, model):
    import onnxruntime as ort
    import pandas as pd

    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    start = time.perf_counter()
    frame = pd.read_csv(path)
    read = time.perf_counter()
    probabilities = session.run(None, {"rows": frame[COLUMNS].to_numpy(np.float32)})[0]
    end = time.perf_counter()
    return {"rows": len(probabilities), "read_seconds": read - start, "predict_seconds": end - read,
            "rows_per_second": len(probabilities) / (end - start)}


def bare(path):
    """The stream comes through a socket, as a request does; each batch is multiplied as it comes."""
    import pyarrow as pa

    chance = np.random.default_rng(0)
    first, second = (chance.normal(size=shape).astype(np.float32) for shape in [(30, 128), (128, 1)])
    sender, receiver = socket.socketpair()

    def send():
        with open(path, "rb") as file:
            sender.sendfile(file)
        sender.close()

    start = time.perf_counter()
    threading.Thread(target=send).start()
    done, multiplying = 0, 0.0
    with pa.ipc.open_stream(receiver.makefile("rb", buffering=1 << 20)) as stream:
        for batch in stream:
            matrix = np.column_stack([column.to_numpy() for column in batch.columns]).astype(np.float32)
            before = time.perf_counter()
            np.maximum(matrix @ first, 0) @ second
            multiplying += time.perf_counter() - before
            done += batch.num_rows
    seconds = time.perf_counter() - start
    return {"rows": done, "seconds": seconds, "of_which_products": multiplying, "rows_per_second": done / seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=["network", "rows", "pandas", "bare"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if arguments.work == "network":
        network(arguments.paths[0])
    elif arguments.work == "rows":
        rows(arguments.paths[0], arguments.rows)
    elif arguments.work == "pandas":
        print(json.dumps(pandas_and_onnxruntime(*arguments.paths)))
    else:
        print(json.dumps(bare(arguments.paths[0])))


if __name__ == "__main__":
    main()
