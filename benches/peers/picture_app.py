"""FastAPI with Pillow and onnxruntime: one picture in, its probability out. scripts/bench-pictures runs it.

    MODEL=network.onnx uvicorn picture_app:app --port 8091 --workers 2 --no-access-log --loop uvloop --http httptools

The network is one that Evenkeel exported: it reads `[N, height, width, channels]` of 8 bits. Pictures are resized as Evenkeel resizes
them. Each worker computes on one thread, so that two of them use two processors.
"""

import io
import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, Request
from PIL import Image, ImageOps

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
pixels = session.get_inputs()[0]
_, HEIGHT, WIDTH, CHANNELS = pixels.shape
SIZE, MODE = (WIDTH, HEIGHT), "RGB" if CHANNELS == 3 else "L"
app = FastAPI()


@app.get("/livez")
async def livez():
    return {"status": "ok"}


@app.post("/predict")
async def predict(request: Request):
    picture = Image.open(io.BytesIO(await request.body())).convert(MODE)
    if picture.size != SIZE:
        picture = ImageOps.pad(picture, SIZE, Image.Resampling.BILINEAR)
    found = session.run(["probability"], {pixels.name: np.asarray(picture).reshape(1, HEIGHT, WIDTH, CHANNELS)})
    return {"probability": float(found[0].ravel()[0])}
