"""Makes checkpoints with the official names, for the test of `npm run convert`.

    python make_pth.py FOLDER

FOLDER/weights.json says the name, the shape and the place of each tensor in FOLDER/weights.bin
(float32). Writes whole.pth, parts.pth (a list of two, cut as the official code cuts for two cards),
part-0.pth and part-1.pth, half.pth (bfloat16), old.pth (the format before PyTorch 1.6), and files
that must be refused.
"""

import json
import os
import sys

import torch

folder = sys.argv[1]
at = lambda name: os.path.join(folder, name)
with open(at("weights.json")) as file:
    entries = json.load(file)
with open(at("weights.bin"), "rb") as file:
    numbers = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
whole = {
    e["name"]: numbers[e["start"] : e["start"] + e["size"]].reshape(e["shape"]).clone()
    for e in entries
}


def cut(name, tensor, rank, cards=2):
    """As `load_state_dict` of the official transformer.py, and Megatron's layers in YOCO."""
    if tensor.dim() == 1 or name == "output_projection.weight":
        return tensor
    rows, columns = tensor.shape
    if any(part in name for part in ("wo.", "w2.", "out_proj.", "fc2.")):
        return tensor.view(rows, cards, -1)[:, rank].clone()
    return tensor.view(cards, -1, columns)[rank].clone()


parts = [{name: cut(name, t, rank) for name, t in whole.items()} for rank in range(2)]
torch.save(whole, at("whole.pth"))
torch.save(parts, at("parts.pth"))
for rank in range(2):
    torch.save(parts[rank], at(f"part-{rank}.pth"))
torch.save({name: t.to(torch.bfloat16) for name, t in whole.items()}, at("half.pth"))
torch.save(whole, at("old.pth"), _use_new_zipfile_serialization=False)

torch.save({"a": torch.ones(2, dtype=torch.float64)}, at("double.pth"))
torch.save({"a": torch.ones(2), "step": 5}, at("step.pth"))
torch.save([{"n": torch.ones(2)}, {"n": torch.zeros(2)}], at("torn.pth"))
torch.save([{"n": torch.ones(2, 2)}] * 2 + [{"m": torch.ones(2)}], at("some.pth"))


class Surprise:
    def __reduce__(self):
        return os.mkdir, (at("this-ran"),)


torch.save({"a": Surprise()}, at("program.pth"))
