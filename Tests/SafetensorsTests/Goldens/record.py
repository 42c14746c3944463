"""Writes what Python's own packages make of some tensors; nothing here is Descent's.

    pip install safetensors==0.8.0 numpy==2.4.6 ml_dtypes==0.6.0
    python record.py
"""
import json
import os

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

folder = os.path.dirname(os.path.abspath(__file__))
ramp = np.arange(6).reshape(2, 3)
special = np.array([0.0, -0.0, 1.0, -2.5, 65504.0, 6e-8, 1e-3, np.inf, -np.inf, np.nan])
tensors = {
    "float64": np.append(special, [1 / 3, 1e300, 1e-45]),
    "float32": special.astype(np.float32),
    "float16": special.astype(np.float16),
    "bfloat16": special.astype(ml_dtypes.bfloat16),
    "matrix": (ramp / 4).astype(np.float32),
    "scalar": np.array(3.25, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "int64": ramp.astype(np.int64) - 3,
    "int32": ramp.astype(np.int32),
    "int16": ramp.astype(np.int16),
    "int8": ramp.astype(np.int8),
    "uint64": ramp.astype(np.uint64),
    "uint32": ramp.astype(np.uint32),
    "uint16": ramp.astype(np.uint16),
    "uint8": ramp.astype(np.uint8),
    "bool": ramp % 2 == 0,
    "name \"with\" \\ é 🌍": np.ones(1, np.float32),
}
metadata = {"format": "np", "quote": "a \"b\" \\ c\n", "é": "🌍"}
save_file(tensors, os.path.join(folder, "python.safetensors"), metadata)

shards = os.path.join(folder, "shards")
os.makedirs(shards, exist_ok=True)
weights = {}
for number, names in enumerate([["matrix", "float32"], ["scalar", "empty"]], 1):
    file = f"model-{number:05d}-of-00002.safetensors"
    save_file({name: tensors[name] for name in names}, os.path.join(shards, file), {"format": "np"})
    weights |= {name: file for name in names}
size = sum(tensors[name].nbytes for name in weights)
index = {"metadata": {"total_parameters": 17, "total_size": size}, "weight_map": weights}
with open(os.path.join(shards, "model.safetensors.index.json"), "w") as file:
    file.write(json.dumps(index, indent=2, sort_keys=True) + "\n")
