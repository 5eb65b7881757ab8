"""The other side of the test: the official safetensors package writes files, and reads ours.

    python official_files.py write FOLDER
    python official_files.py read FILE        prints the tensors as JSON, their bytes in hexadecimal
"""

import json
import os
import sys

import numpy as np
from safetensors import TensorSpec, deserialize, serialize_file
from safetensors.numpy import save_file


def write(folder):
    at = lambda name: os.path.join(folder, name)
    patterns = np.arange(2**16, dtype=np.uint16)  # every number of 16 bits
    half = patterns.view(np.float16)
    numbers = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)

    save_file(
        {
            "numbers": numbers,
            "whole": np.array([-(2**31), 0, 2**31 - 1], dtype=np.int32),
            "none": np.zeros((0, 3), dtype=np.float32),
            "one": np.array(0.5, dtype=np.float32),
            "名前 \"\\ é": numbers[0],
        },
        at("float32.safetensors"),
        metadata={"format": "np", "über": "…"},
    )
    save_file(
        {"half": half, "expected": half.astype(np.float32)}, at("float16.safetensors")
    )
    # numpy has no bfloat16: the bytes are given as they are.
    expected = (patterns.astype(np.uint32) << 16).view(np.float32)
    as_bytes = lambda array, dtype: TensorSpec(
        dtype=dtype, shape=[2, 2**15], data_ptr=array.ctypes.data, data_len=array.nbytes
    )
    specs = {"half": as_bytes(patterns, "bfloat16"), "expected": as_bytes(expected, "float32")}
    serialize_file(specs, at("bfloat16.safetensors"))

    save_file({"a": numbers, "b": numbers + 1}, at("model-00001-of-00002.safetensors"))
    save_file({"c": half[:1024]}, at("model-00002-of-00002.safetensors"))
    weight_map = {
        "a": "model-00001-of-00002.safetensors",
        "b": "model-00001-of-00002.safetensors",
        "c": "model-00002-of-00002.safetensors",
    }
    with open(at("model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {"total_size": 2168}, "weight_map": weight_map}, file)

    save_file({"double": np.ones(2, dtype=np.float64)}, at("F64.safetensors"))
    save_file({"long": np.ones(2, dtype=np.int64)}, at("I64.safetensors"))
    save_file({"flags": np.ones(2, dtype=np.bool_)}, at("BOOL.safetensors"))


def read(path):
    with open(path, "rb") as file:
        tensors = deserialize(file.read())
    found = {
        name: {"dtype": t["dtype"], "shape": t["shape"], "bytes": bytes(t["data"]).hex()}
        for name, t in tensors
    }
    json.dump(found, sys.stdout)


command, argument = sys.argv[1:]
write(argument) if command == "write" else read(argument)
