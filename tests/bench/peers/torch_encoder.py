# SPDX-License-Identifier: Apache-2.0
"""The encoder as a plain torch module with fixed positions, for conversion to other runtimes.

Same arithmetic as Transformers' Gemma4VisionModel and Gemma4MultimodalEmbedder (check.py compares
them). The patch grid is fixed, so the position embeddings and rotary tables are constants.
"""
import torch
import torch.nn.functional as F
from torch import nn

import inputs

NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
         "post_feedforward_layernorm", "self_attn.q_norm", "self_attn.k_norm")
BOUNDS = ("input_min", "input_max", "output_min", "output_max")


def rms(x, eps, w=None):
    y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
    return y if w is None else y * w


def fixed(w):
    return nn.Parameter(w, requires_grad=False)


class Linear(nn.Module):
    def __init__(self, w, bounds):
        super().__init__()
        self.weight = fixed(w)
        self.bounds = bounds

    def forward(self, x):
        if self.bounds:
            x = torch.clamp(x, self.bounds[0], self.bounds[1])
        x = F.linear(x, self.weight)
        if self.bounds:
            x = torch.clamp(x, self.bounds[2], self.bounds[3])
        return x


def attention(q, k, v):
    """q [1, N, H, d], k and v [1, N, G, d] -> [1, N, H d]"""
    o = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                       scale=1.0)
    return o.transpose(1, 2).reshape(1, q.shape[1], -1)


class Layer(nn.Module):
    def __init__(self, c, w, p):
        super().__init__()
        self.c, self.attention = c, attention
        for lin in inputs.LINEARS:
            bounds = [float(w.pop(f"{p}{lin}.{s}")) for s in BOUNDS] if c["clip"] else None
            self.add_module(lin.split(".")[1], Linear(w.pop(f"{p}{lin}.linear.weight"), bounds))
        for n in NORMS:
            setattr(self, n.split(".")[-1], fixed(w.pop(f"{p}{n}.weight")))

    def rope(self, x, cos, sin):
        q = x.shape[-1] // 4
        a, b, e, f = x.split(q, -1)
        return x * cos + torch.cat((-b, a, -f, e), -1) * sin

    def forward(self, x, cos, sin):
        c, eps, n = self.c, self.c["eps"], x.shape[1]
        a = rms(x, eps, self.input_layernorm)
        q = rms(self.q_proj(a).view(1, n, c["H"], c["d"]), eps, self.q_norm)
        k = rms(self.k_proj(a).view(1, n, c["G"], c["d"]), eps, self.k_norm)
        v = rms(self.v_proj(a).view(1, n, c["G"], c["d"]), eps)
        o = self.o_proj(self.attention(self.rope(q, cos, sin), self.rope(k, cos, sin), v))
        x = x + rms(o, eps, self.post_attention_layernorm)
        m = rms(x, eps, self.pre_feedforward_layernorm)
        f = self.down_proj(F.gelu(self.gate_proj(m), approximate="tanh") * self.up_proj(m))
        return x + rms(f, eps, self.post_feedforward_layernorm)


class Encoder(nn.Module):
    def __init__(self, c, grid_w, grid_h, seed=0, qk_norm=1.0):
        super().__init__()
        assert c["H"] == c["G"]
        self.c, self.gw, self.gh = c, grid_w, grid_h
        w = {k: torch.from_numpy(v) if v.ndim else v for k, v in inputs.weights(c, seed, qk_norm)}
        v = "model.vision_tower."
        self.input_proj = fixed(w.pop(v + "patch_embedder.input_proj.weight"))
        t = w.pop(v + "patch_embedder.position_embedding_table")
        y, x = torch.meshgrid(torch.arange(grid_h), torch.arange(grid_w), indexing="ij")
        x, y = x.reshape(-1), y.reshape(-1)
        self.register_buffer("pos", (t[0][x] + t[1][y])[None])
        m = c["d"] // 2
        inv = c["theta"] ** (-torch.arange(0, m, 2, dtype=torch.float32) / m)
        ax, ay = x[:, None] * inv, y[:, None] * inv
        angle = torch.cat([ax, ax, ay, ay], -1)
        self.register_buffer("cos", angle.cos()[None, :, None])
        self.register_buffer("sin", angle.sin()[None, :, None])
        self.layers = nn.ModuleList(Layer(c, w, f"{v}encoder.layers.{i}.")
                                    for i in range(c["layers"]))
        self.projection = fixed(w.pop("model.embed_vision.embedding_projection.weight"))
        assert not w, f"unused weights: {sorted(w)[:5]}"

    def forward(self, px):
        c, k = self.c, self.c["k"]
        x = F.linear(2 * (px - 0.5), self.input_proj) + self.pos
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        x = x.view(1, self.gh // k, k, self.gw // k, k, c["D"]).mean((2, 4))
        x = x.view(1, -1, c["D"]) * c["D"] ** 0.5
        return F.linear(rms(x, c["eps"]), self.projection)


def build(a, c):
    return Encoder(c, a.width // c["P"], a.height // c["P"], a.seed, a.qk_norm).eval()
