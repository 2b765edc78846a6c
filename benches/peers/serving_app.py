"""FastAPI with onnxruntime: the same rows in, probabilities out.

    MODEL=network.onnx uvicorn serving_app:app --port 8091 --workers 2 --no-access-log --loop uvloop --http httptools
"""

import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Request(BaseModel):
    columns: list[str]
    data: list[list[float]]


class Answer(BaseModel):
    probabilities: list[float]


@app.get("/livez")
async def livez():
    return {"status": "ok"}


@app.post("/predict", response_model=Answer)
async def predict(request: Request):
    rows = np.asarray(request.data, dtype=np.float32)
    return {"probabilities": session.run(None, {"rows": rows})[0][:, 0].tolist()}
