"""The same models in plain PyTorch, as a well-meaning user would write them: the other side of `npm run bench -- --peers`.

It speaks a line protocol: one JSON object per line in, one out. It is asked to load weights (a safetensors file that the
benchmark has written), to compute something on given inputs (so that both sides can be compared first), and to run one
thing several times and say how long it took. The two sides run in turns; nobody is timed while the other computes.
"""

import json
import struct
import sys
import time

import torch
import torch.nn.functional as F

torch.set_grad_enabled(False)
DEVICE = "cuda" if "cuda" in sys.argv and torch.cuda.is_available() else "cpu"
torch.set_default_device(DEVICE)


def settle():
    """A card takes orders and computes later."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def read_safetensors(path):
    """Eight bytes of length, a JSON header, then plain numbers."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    kinds = {"F32": torch.float32, "I32": torch.int32}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(data[start:end], dtype=kinds[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"]).clone().to(DEVICE)
    return tensors


def rms_norm(x, weight=None, eps=1e-5):
    return F.rms_norm(x, (x.shape[-1],), weight, eps)


def angles(start, count, size, end_point, theta=10000.0):
    pairs = size // 2
    exponent = torch.arange(pairs, dtype=torch.float64) / (max(1, pairs - 1) if end_point else pairs)
    turned = torch.arange(start, start + count, dtype=torch.float64)[:, None] * theta**-exponent
    return turned.cos().float(), turned.sin().float()


def rotate(x, cos_sin, interleaved):
    """x [B, H, N, D]: pairs of features turn by position; neighbours, or halves."""
    cos, sin = cos_sin
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def retention(q, k, v, log_decay, chunk, state=None):
    """Gated retention, chunkwise. q, k, v [B, H, N, D], log_decay [B, H, N]; N a multiple of the chunk.

    The parts inside chunks are one batched product for all chunks; only the state goes from chunk to chunk in a loop.
    """
    B, H, N, D = q.shape
    c = min(chunk, N)
    q, k, v = (x.reshape(B, H, N // c, c, D) for x in (q, k, v))
    g = log_decay.reshape(B, H, N // c, c).cumsum(-1)
    causal = torch.ones(c, c, dtype=torch.bool).tril()
    fade = (g[..., :, None] - g[..., None, :]).masked_fill(~causal, -torch.inf).exp()
    inside = (q @ k.transpose(-1, -2) * fade) @ v
    left = k.transpose(-1, -2) @ (v * (g[..., -1:] - g).exp()[..., None])
    overall = g[..., -1].exp()
    states = []
    state = torch.zeros(B, H, D, D) if state is None else state
    for i in range(N // c):
        states.append(state)
        state = state * overall[:, :, i, None, None] + left[:, :, i]
    before = (q @ torch.stack(states, 2)) * g.exp()[..., None]
    return (inside + before).reshape(B, H, N, D), state


class Model:
    """A Transformer or a YOCO with gated retention, from its config and the official names of its weights."""

    def __init__(self, config, weights, chunk):
        self.config, self.w, self.chunk = config, weights, chunk
        self.yoco = config["kind"] == "yoco"

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T

    def heads(self, x, count):
        B, N, width = x.shape
        return x.reshape(B, N, count, width // count).transpose(1, 2)

    def joined(self, x):
        B, H, N, D = x.shape
        return x.transpose(1, 2).reshape(B, N, H * D)

    def ffn(self, x, name, gate, up, down):
        return self.linear(F.silu(self.linear(x, f"{name}.{gate}")) * self.linear(x, f"{name}.{up}"), f"{name}.{down}")

    def new_cache(self, capacity):
        """Keys and values in tensors that are long enough from the start, so that nothing is copied while decoding."""
        c = self.config
        size = c["dim"] // c["heads"]
        count = 1 if self.yoco else c["layers"]
        room = lambda: torch.zeros(1, c["kvHeads"], capacity, size)
        return {"length": 0, "states": {}, "k": [room() for _ in range(count)], "v": [room() for _ in range(count)]}

    def write(self, cache, layer, k, v):
        start, end = cache["length"], cache["length"] + k.shape[2]
        cache["k"][layer][:, :, start:end] = k
        cache["v"][layer][:, :, start:end] = v
        return cache["k"][layer][:, :, :end], cache["v"][layer][:, :, :end]

    def attend(self, q, k, v):
        grouped = q.shape[1] != k.shape[1]
        return F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1, enable_gqa=grouped)

    @torch.inference_mode()
    def forward(self, ids, cache):
        """Logits of the last position; ids [1, N] go behind what the cache holds (N > 1 only into an empty one)."""
        last = self.yoco_forward(ids, cache) if self.yoco else self.transformer_forward(ids, cache)
        cache["length"] += ids.shape[1]
        return last[:, -1]

    def transformer_forward(self, ids, cache):
        c = self.config
        turn = angles(cache["length"], ids.shape[1], c["headDim"], end_point=False)
        x = F.embedding(ids, self.w["tok_embeddings.weight"])
        for i in range(c["layers"]):
            at = f"layers.{i}."
            normed = rms_norm(x, self.w[at + "attention_norm.weight"])
            q, k = (rotate(self.heads(self.linear(normed, at + "attention." + n), h), turn, False) for n, h in (("wq", c["heads"]), ("wk", c["kvHeads"])))
            k, v = self.write(cache, i, k, self.heads(self.linear(normed, at + "attention.wv"), c["kvHeads"]))
            x = x + self.linear(self.joined(self.attend(q, k, v)), at + "attention.wo")
            x = x + self.ffn(rms_norm(x, self.w[at + "ffn_norm.weight"]), at + "feed_forward", "w1", "w3", "w2")
        return self.linear(rms_norm(x[:, -1:], self.w["norm.weight"]), "output")

    def yoco_forward(self, ids, cache):
        c = self.config
        N = ids.shape[1]
        width = c["dim"] // c["selfHeads"]
        turn = angles(cache["length"], N, width, end_point=True)
        x = F.embedding(ids, self.w["embed_tokens.weight"]) * c["dim"] ** 0.5
        for i in range(c["selfLayers"]):
            at = f"self_decoder.layers.{i}."
            normed = rms_norm(x, self.w[at + "mixer_layer_norm.weight"])
            q, k = (rotate(self.heads(self.linear(normed, f"{at}mixer.{n}_proj"), c["selfHeads"]), turn, True) for n in "qk")
            v = self.heads(self.linear(normed, at + "mixer.v_proj"), c["selfHeads"])
            k = k * width**-0.5
            decay = F.logsigmoid(self.linear(normed, at + "mixer.gt_proj")).transpose(1, 2) / c["gateTemperature"]
            out, cache["states"][i] = retention(q, k, v, decay, self.chunk, cache["states"].get(i))
            gate = F.silu(self.linear(normed, at + "mixer.g_proj"))
            x = x + self.linear(gate * self.joined(rms_norm(out)), at + "mixer.out_proj")
            x = x + self.ffn(rms_norm(x, self.w[at + "final_layer_norm.weight"]), at + "ffn", "fc1", "gate", "fc2")
        size = c["dim"] // c["heads"]
        turn = angles(cache["length"], N, size, end_point=True)
        normed = rms_norm(x, self.w["cross_decoder.kv_layer_norm.weight"])
        k = rotate(self.heads(self.linear(normed, "cross_decoder.k_proj"), c["kvHeads"]), turn, True)
        k, v = self.write(cache, 0, k, self.heads(self.linear(normed, "cross_decoder.v_proj"), c["kvHeads"]))
        x = x[:, -1:]  # the early exit
        turn = tuple(t[-1:] for t in turn)
        for i in range(c["crossLayers"]):
            at = f"cross_decoder.layers.{i}."
            normed = rms_norm(x, self.w[at + "mixer_layer_norm.weight"])
            q = rotate(self.heads(self.linear(normed, at + "mixer.q_proj"), c["heads"]), turn, True)
            x = x + self.linear(self.joined(self.attend(q, k, v)), at + "mixer.out_proj")
            x = x + self.ffn(rms_norm(x, self.w[at + "final_layer_norm.weight"]), at + "ffn", "fc1", "gate", "fc2")
        return self.linear(rms_norm(x, self.w["layer_norm.weight"]), "output_projection")


def jobs(request):
    """A function of no arguments that gives a list of tensors; inputs are made here, before the clock starts."""
    what = request["what"]
    if what == "retention":
        t = read_safetensors(request["inputs"])
        inputs = [t[name] for name in ("q", "k", "v", "logDecay")]
        if request["backward"]:

            def both():
                with torch.enable_grad():
                    leaves = [x.clone().requires_grad_() for x in inputs]
                    out, _ = retention(*leaves, request["chunk"])
                    return torch.autograd.grad(out.sum(), leaves)

            return both
        return torch.inference_mode()(lambda: [retention(*inputs, request["chunk"])[0]])
    model = Model(request["config"], read_safetensors(request["weights"]), request.get("chunk", 128))
    ids = torch.tensor([request["ids"]])
    if what == "prefill":
        return lambda: [model.forward(ids, model.new_cache(ids.shape[1]))]
    cache = model.new_cache(ids.shape[1] + 4096)
    model.forward(ids, cache)
    token = ids[:, :1]
    return lambda: [model.forward(token, cache)]


def main():
    held = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "make":
                held[request["name"]] = jobs(request)
                answer = {"ok": True}
            elif request["do"] == "numbers":
                answer = {"numbers": [x.flatten().tolist() for x in held[request["name"]]()]}
            elif request["do"] == "time":
                torch.set_num_threads(request["threads"])
                settle()
                start = time.perf_counter()
                for _ in range(request["runs"]):
                    held[request["name"]]()
                settle()
                answer = {"ms": 1000 * (time.perf_counter() - start) / request["runs"]}
            elif request["do"] == "free":
                held.clear()
                answer = {"ok": True}
            else:
                answer = {"version": f"{torch.__version__} on {torch.cuda.get_device_name() if DEVICE == 'cuda' else 'the processor'}"}
        except Exception as error:  # the other side prints it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer, allow_nan=False), flush=True)  # JSON has no NaN: it ends us, and the other side says so


main()
