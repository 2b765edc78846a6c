"""Unmodified clients of the Open Inference Protocol against a running server; `scripts/test-clients` starts one.

    python tests/oip_clients.py prepare|triton_http|triton_grpc|kserve|own_proto HTTP GRPC SCRATCH

`prepare` trains two models and keeps what `predict` says of their rows; the others ask by one client each (their
messages have the same names, so that one process cannot hold two) and compare bit for bit.
"""

import csv
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data" / "datasets"
KEY = {"Authorization": "Bearer " + os.environ["EVENKEEL_KEY"]}
MODELS = {"credit": "german-credit.csv", "diabetes": "pima-diabetes.csv"}


def call(http, method, path, body=None, content_type="application/json"):
    request = urllib.request.Request(f"http://{http}{path}", body, KEY | {"Content-Type": content_type}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def prepare(http, scratch):
    for name, file in MODELS.items():
        dataset = json.loads(call(http, "POST", f"/v1/datasets?name={name}", (DATA / file).read_bytes(), "text/csv"))
        job = {"dataset_id": dataset["id"], "model_name": name, "training": {"epochs": 5}, "evaluation": {"bootstrap": 0}}
        job = json.loads(call(http, "POST", "/v1/jobs", json.dumps(job).encode()))
        call(http, "GET", f"/v1/jobs/{job['id']}/events")
        job = json.loads(call(http, "GET", f"/v1/jobs/{job['id']}"))
        assert job["status"] == "succeeded", job
        model = json.loads(call(http, "GET", f"/v1/models/{job['model_id']}"))
        columns = {feature["name"]: feature["type"] for feature in model["features"]}
        with open(DATA / file, newline="") as rows:
            rows = [read(row, columns) for row in csv.DictReader(rows)]
        answer = json.loads(call(http, "POST", f"/v1/models/{model['id']}/predict", json.dumps({"rows": rows}).encode()))
        kept = {"model": model, "columns": columns, "rows": rows, "answer": answer}
        (scratch / f"{name}.json").write_text(json.dumps(kept))


def read(row, columns):
    """A row as JSON has it."""
    cells = {}
    for name, kind in columns.items():
        text = row[name].strip()
        missing = text in ("", "NA", "NaN", "null", "?")
        cells[name] = None if missing else float(text) if kind == "numeric" else text
    return cells


class Expected:
    """What `predict` said of the rows of a model."""

    def __init__(self, scratch, name):
        kept = json.loads((scratch / f"{name}.json").read_text())
        self.name, self.columns, self.rows, self.answer = name, kept["columns"], kept["rows"], kept["answer"]
        predictions = self.answer["predictions"]
        self.probability = np.array([one["probability"] for one in predictions], dtype=np.float64)
        self.label = [one["label"] for one in predictions]

    def column(self, name):
        """A column as numpy has it: its datatype, its values."""
        values = [row[name] for row in self.rows]
        if self.columns[name] == "numeric":
            return "FP64", np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        return "BYTES", np.array(["" if value is None else value for value in values], dtype=object)

    def matrix(self, dtype=np.float64):
        return np.stack([self.column(name)[1] for name in self.columns], axis=1).astype(dtype)

    def check(self, probability, label, what):
        assert probability.dtype == np.float64 and probability.shape == self.probability.shape, what
        assert probability.tobytes() == self.probability.tobytes(), f"{what}: the probabilities are not those of predict"
        label = [one.decode() if isinstance(one, bytes) else one for one in label]
        assert label == self.label, f"{what}: the labels are not those of predict"
        print(f"ok: {what}, {len(label)} rows")


def raises(kind, action):
    try:
        action()
    except kind as error:
        return error
    raise AssertionError("this was to be refused")


def triton(module, client, expected, headers, binary):
    """What tritonclient does in the same way over HTTP and gRPC. `binary`: further arguments of inputs and outputs."""
    from tritonclient.utils import InferenceServerException

    # The client writes into the headers that it is given.
    credit, diabetes = expected
    assert client.is_server_live(headers=dict(headers)) and client.is_server_ready(headers=dict(headers))
    assert client.is_model_ready("credit", headers=dict(headers))
    assert client.is_model_ready("credit", "1", headers=dict(headers))

    def tensor(name, datatype, values, shape=None):
        tensor = module.InferInput(name, list(shape or values.shape), datatype)
        tensor.set_data_from_numpy(values.reshape(shape or values.shape), **binary)
        return tensor

    def ask(model, inputs, what, **arguments):
        answer = client.infer(model.name, inputs, headers=dict(headers), **arguments)
        model.check(answer.as_numpy("probability"), answer.as_numpy("label").tolist(), f"{module.__name__} {what}")
        return answer

    columns = [tensor(name, *credit.column(name)) for name in credit.columns]
    answer = ask(credit, columns, "columns [N]", request_id="seven")
    answer = answer.get_response()
    request_id = answer["id"] if isinstance(answer, dict) else answer.id
    assert request_id == "seven", request_id
    narrow = [tensor(name, *credit.column(name), shape=(len(credit.rows), 1)) for name in credit.columns]
    ask(credit, narrow, "columns [N, 1]", model_version="1", parameters={"content_type": "pd"})
    ask(diabetes, [tensor("anything", "FP64", diabetes.matrix())], "matrix FP64")
    # These values are the same in 32 bits, or the comparison would not be with predict.
    whole = diabetes.matrix()
    single = whole.astype(np.float32)
    if (single.astype(np.float64) == whole).all():
        ask(diabetes, [tensor("anything", "FP32", single)], "matrix FP32")
    for compression in ["gzip"]:
        arguments = {"compression_algorithm": compression}
        if module.__name__.endswith("http"):
            arguments = {"request_compression_algorithm": compression, "response_compression_algorithm": compression}
        ask(credit, columns, compression, **arguments)
    probability = [module.InferRequestedOutput("probability")]
    answer = client.infer("credit", columns, outputs=probability, headers=dict(headers))
    assert answer.as_numpy("probability").tobytes() == credit.probability.tobytes() and answer.as_numpy("label") is None

    error = raises(InferenceServerException, lambda: client.infer("credit", columns[:-2], headers=dict(headers)))
    assert "there is no input of its name" in error.message() and str(error.status()) in ("400", "StatusCode.INVALID_ARGUMENT"), error
    error = raises(InferenceServerException, lambda: client.infer("other", columns, headers=dict(headers)))
    assert str(error.status()) in ("404", "StatusCode.NOT_FOUND"), error
    error = raises(InferenceServerException, lambda: client.infer("credit", columns))
    assert str(error.status()) in ("401", "StatusCode.UNAUTHENTICATED"), error


def triton_http(http, _, expected):
    import tritonclient.http as module

    client = module.InferenceServerClient(http)
    assert not client.is_model_ready("other", headers=dict(KEY))
    metadata = client.get_model_metadata("credit", headers=dict(KEY))
    assert [tensor["name"] for tensor in metadata["inputs"]] == list(expected[0].columns), metadata
    assert client.get_server_metadata(headers=dict(KEY))["name"] == "evenkeel"
    index = client.get_model_repository_index(headers=dict(KEY))
    assert [(model["name"], model["state"]) for model in index] == [("credit", "READY"), ("diabetes", "READY")], index
    for binary in [True, False]:
        # NaN is a number of FP64 but none of JSON.
        if binary or not any(value is None for row in expected[0].rows for value in row.values()):
            triton(module, client, expected, KEY, {"binary_data": binary})
    diabetes = expected[1]
    tensor = module.InferInput("x", list(diabetes.matrix().shape), "FP64")
    tensor.set_data_from_numpy(diabetes.matrix(), binary_data=False)
    outputs = [module.InferRequestedOutput(name, binary_data=False) for name in ["label", "probability"]]
    answer = client.infer("diabetes", [tensor], outputs=outputs, headers=dict(KEY))
    diabetes.check(answer.as_numpy("probability"), answer.as_numpy("label").tolist(), "tritonclient.http outputs in JSON")
    waiting = [client.async_infer("diabetes", [tensor], headers=dict(KEY)) for _ in range(4)]
    for one in waiting:
        answer = one.get_result()
        diabetes.check(answer.as_numpy("probability"), answer.as_numpy("label").tolist(), "tritonclient.http async_infer")


def triton_grpc(_, grpc, expected):
    import tritonclient.grpc as module

    # Metadata of gRPC has names in lower case.
    headers = {name.lower(): value for name, value in KEY.items()}
    client = module.InferenceServerClient(grpc)
    metadata = client.get_model_metadata("credit", headers=dict(headers))
    assert [tensor.name for tensor in metadata.inputs] == list(expected[0].columns), metadata
    assert client.get_server_metadata(headers=dict(headers)).name == "evenkeel"
    index = client.get_model_repository_index(headers=dict(headers))
    assert [(model.name, model.state) for model in index.models] == [("credit", "READY"), ("diabetes", "READY")], index
    triton(module, client, expected, headers, {})


def own_proto(_, grpc, expected):
    """A client made from proto/inference.proto."""
    import tempfile

    import grpc as grpcio
    from grpc_tools import protoc

    root = Path(__file__).parent.parent / "proto"
    with tempfile.TemporaryDirectory() as made:
        assert protoc.main(["", f"-I{root}", f"--python_out={made}", f"--grpc_python_out={made}", "inference.proto"]) == 0
        sys.path.insert(0, made)
        import inference_pb2 as messages
        import inference_pb2_grpc as service

    diabetes = expected[1]
    stub = service.GRPCInferenceServiceStub(grpcio.insecure_channel(grpc))
    key = [(name.lower(), value) for name, value in KEY.items()]
    request = messages.ModelInferRequest(model_name="diabetes", id="seven")
    tensor = request.inputs.add(name="x", datatype="FP64", shape=diabetes.matrix().shape)
    tensor.contents.fp64_contents.extend(diabetes.matrix().flatten().tolist())
    answer = stub.ModelInfer(request, metadata=key)
    probability, label = (output.contents for output in answer.outputs)
    diabetes.check(np.array(probability.fp64_contents), list(label.bytes_contents), "proto/inference.proto")
    assert answer.id == "seven" and answer.parameters["positive_label"].string_param == diabetes.answer["positive_label"]
    metadata = stub.ModelMetadata(messages.ModelMetadataRequest(name="diabetes"), metadata=key)
    assert [(one.name, list(one.shape)) for one in metadata.outputs] == [("probability", [-1]), ("label", [-1])], metadata
    index = stub.RepositoryIndex(messages.RepositoryIndexRequest(ready=True), metadata=key)
    assert [(one.name, one.version) for one in index.models] == [("credit", "1"), ("diabetes", "1")], index


def kserve(http, grpc, expected):
    import asyncio
    import logging

    import grpc as grpcio
    import httpx
    from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient, RESTConfig

    # It writes down the refusals that are wanted here.
    logging.disable(logging.ERROR)
    credit, diabetes = expected

    def request(model, binary):
        inputs = []
        for name in model.columns:
            datatype, values = model.column(name)
            tensor = InferInput(name=name, shape=list(values.shape), datatype=datatype)
            tensor.set_data_from_numpy(values, binary_data=binary)
            inputs.append(tensor)
        return InferRequest(model_name=model.name, infer_inputs=inputs)

    def check(model, answer, what):
        outputs = {output.name: output.as_numpy() for output in answer.outputs}
        model.check(outputs["probability"], outputs["label"].tolist(), what)

    async def over_rest():
        base = f"http://{http}"
        async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
            assert await client.is_server_ready(base) and await client.is_server_live(base)
            assert await client.is_model_ready(base, "credit", headers=KEY)
            assert not await client.is_model_ready(base, "other", headers=KEY)
            for model in [credit, diabetes]:
                for binary in [False, True]:
                    answer = await client.infer(base, request(model, binary), model_name=model.name, headers=dict(KEY))
                    check(model, answer, f"kserve REST {'binary' if binary else 'JSON'} {model.name}")
            try:
                await client.infer(base, request(credit, False), model_name="other", headers=dict(KEY))
            except httpx.HTTPStatusError as error:
                assert error.response.status_code == 404
            else:
                raise AssertionError("a model that does not exist was asked")

    async def over_grpc():
        headers = [(name.lower(), value) for name, value in KEY.items()]
        async with InferenceGRPCClient(grpc) as client:
            assert await client.is_server_ready() and await client.is_server_live()
            assert await client.is_model_ready("credit", headers=headers)
            for model in [credit, diabetes]:
                for binary in [False, True]:
                    answer = await client.infer(request(model, binary), headers=headers)
                    check(model, answer, f"kserve gRPC {'raw' if binary else 'typed'} {model.name}")
            try:
                await client.infer(request(credit, True))
            except grpcio.aio.AioRpcError as error:
                assert error.code() == grpcio.StatusCode.UNAUTHENTICATED
            else:
                raise AssertionError("a call without a key was answered")

    asyncio.run(over_rest())
    asyncio.run(over_grpc())


def main():
    what, http, grpc, scratch = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
    if what == "prepare":
        prepare(http, scratch)
    else:
        expected = [Expected(scratch, name) for name in MODELS]
        clients = {"triton_http": triton_http, "triton_grpc": triton_grpc, "kserve": kserve, "own_proto": own_proto}
        clients[what](http, grpc, expected)


main()
