"""FastAPI with Pillow and onnxruntime: one picture in, its probability out.

    MODEL=network.onnx SIZE=32 uvicorn picture_app:app --port 8091 --workers 2 --no-access-log --loop uvloop --http httptools

The network takes `[N, SIZE, SIZE, 3]` from 0 to 1 (`picture_network.py` makes one); pictures are resized as Evenkeel resizes them.
"""

import io
import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, Request
from PIL import Image, ImageOps

SIZE = int(os.environ["SIZE"])
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
app = FastAPI()


@app.get("/livez")
async def livez():
    return {"status": "ok"}


@app.post("/predict")
async def predict(request: Request):
    picture = Image.open(io.BytesIO(await request.body())).convert("RGB")
    picture = ImageOps.pad(picture, (SIZE, SIZE), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, dtype=np.float32)[None] / 255
    return {"probability": float(session.run(None, {name: pixels})[0].ravel()[0])}
