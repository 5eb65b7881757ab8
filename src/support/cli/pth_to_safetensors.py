"""Reads PyTorch checkpoints of the official code and writes safetensors; needs PyTorch alone.

    python pth_to_safetensors.py OUT CONFIG SHARD_BYTES FILE...

Each FILE holds one state dict, or a list of parts. A weight that lies in several parts was cut for
model parallelism and is joined as the official code cuts it. Numbers are stored as they are. Prints
names and shapes, and the files written, as JSON.
"""

import ctypes
import json
import os
import sys
import zipfile

import torch

DTYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
}
# RowParallelLinear: each part holds some columns. All other matrices are cut by rows.
CUT_BY_COLUMNS = ("out_proj.weight", "fc2.weight", "wo.weight", "w2.weight")
# Every part holds all of these, and of every vector.
WHOLE = ("output_projection.weight",)


def parts_of(path):
    # weights_only: a pickle may run any program; only tensors and plain containers are let through.
    loaded = torch.load(
        path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
    )
    parts = loaded if isinstance(loaded, (list, tuple)) else [loaded]
    for i, part in enumerate(parts):
        if not isinstance(part, dict) or not all(
            isinstance(name, str) and isinstance(tensor, torch.Tensor)
            for name, tensor in part.items()
        ):
            sys.exit(f"{path}: part {i} is not a dict of tensors; give a state dict or a list of them.")
    return parts


def joined(name, pieces):
    if len(pieces) == 1:
        return pieces[0]
    if pieces[0].dim() == 1 or name in WHOLE:
        if not all(torch.equal(piece, pieces[0]) for piece in pieces):
            sys.exit(f"{name} should be the same in every part, but differs; are they one model's?")
        return pieces[0]
    return torch.cat(pieces, dim=1 if name.endswith(CUT_BY_COLUMNS) else 0)


def write(path, tensors, metadata):
    header, end = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + size],
        }
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".writing", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            tensor = tensor.contiguous()
            file.write(ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()))
    os.replace(path + ".writing", path)


def main(out, config, shard_bytes, *paths):
    parts = [part for path in paths for part in parts_of(path)]
    pieces = {}
    for part in parts:
        for name, tensor in part.items():
            if tensor.dtype not in DTYPES:
                sys.exit(f"{name} is {tensor.dtype}; {', '.join(DTYPES.values())} are converted.")
            pieces.setdefault(name, []).append(tensor)
    for name, found in pieces.items():
        if len(found) not in (1, len(parts)):
            sys.exit(f"{name} is in {len(found)} of {len(parts)} parts; it must be in one or all.")

    shards, size = [{}], 0
    for name, found in pieces.items():
        tensor = joined(name, found)
        bytes_needed = tensor.numel() * tensor.element_size()
        if shards[-1] and size + bytes_needed > int(shard_bytes):
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += bytes_needed

    metadata = {"format": "pt", "config": config} if config else {"format": "pt"}
    if len(shards) == 1:
        files = [f"{out}.safetensors"]
    else:
        total = f"{len(shards):05}"
        files = [f"{out}-{i + 1:05}-of-{total}.safetensors" for i in range(len(shards))]
    for path, shard in zip(files, shards):
        write(path, shard, metadata)
    if len(shards) > 1:
        weight_map = {
            name: os.path.basename(path) for path, shard in zip(files, shards) for name in shard
        }
        files.append(f"{out}.safetensors.index.json")
        with open(files[-1], "w") as file:
            json.dump({"metadata": {}, "weight_map": weight_map}, file, indent=2)
    shapes = {name: list(tensor.shape) for shard in shards for name, tensor in shard.items()}
    print(json.dumps({"parts": len(parts), "files": files, "shapes": shapes}))


main(*sys.argv[1:])
