# SPDX-License-Identifier: Apache-2.0
"""What every peer computes on: configurations, seeded weights, frames and patches.

Weights are keyed by the checkpoint names of the Gemma 4 vision tower and are exact in bfloat16, as
the released weights are, so every peer and precision starts from the same values. Frames are those
of pipelines/formula.h, so that gemma4-bench sees the same pictures.
"""
import math
import zlib

import numpy as np

CONFIGS = {
    "base12": dict(layers=12, table=1024, out=2304, clip=True),
    "tower16": dict(layers=16, table=10240, out=512, clip=False),
    "e2b": dict(layers=16, table=10240, out=1536, clip=True),
}
for _c in CONFIGS.values():
    _c.update(D=768, H=12, G=12, d=64, F=3072, P=16, k=3, theta=100.0, eps=1e-6)

LINEARS = {  # name -> (out, in) in terms of the configuration
    "self_attn.q_proj": ("HD", "D"), "self_attn.k_proj": ("GD", "D"),
    "self_attn.v_proj": ("GD", "D"), "self_attn.o_proj": ("D", "HD"),
    "mlp.gate_proj": ("F", "D"), "mlp.up_proj": ("F", "D"), "mlp.down_proj": ("D", "F"),
}

MASK = (1 << 64) - 1


def dim(c, key):
    return {"D": c["D"], "F": c["F"], "HD": c["H"] * c["d"], "GD": c["G"] * c["d"]}[key]


# ----------------------------------------------------------------------------------
# Weights
# ----------------------------------------------------------------------------------

def to_bf16_exact(a):
    """float32 values rounded to the nearest bfloat16, ties to even."""
    u = np.ascontiguousarray(a, dtype=np.float32).view(np.uint32)
    u = (u + 0x7FFF + ((u >> 16) & 1)) & np.uint32(0xFFFF0000)
    return u.view(np.float32)


def _rng(name, seed):
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _normal(name, shape, seed):
    values = _rng(name, seed).standard_normal(shape, dtype=np.float32)
    return to_bf16_exact(values * np.float32(0.02))


def weights(c, seed=0, qk_norm=1.0):
    """Yields (checkpoint name, array), one tensor at a time."""
    v = "model.vision_tower."
    n = v + "patch_embedder.input_proj.weight"
    yield n, _normal(n, (c["D"], 3 * c["P"] ** 2), seed)
    n = v + "patch_embedder.position_embedding_table"
    yield n, _normal(n, (2, c["table"], c["D"]), seed)
    for i in range(c["layers"]):
        p = f"{v}encoder.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm",
                     "pre_feedforward_layernorm", "post_feedforward_layernorm"):
            yield p + norm + ".weight", np.ones(c["D"], np.float32)
        for norm in ("self_attn.q_norm", "self_attn.k_norm"):
            value = to_bf16_exact(np.float32([qk_norm]))[0]
            yield p + norm + ".weight", np.full(c["d"], value)
        for lin, (o, i_) in LINEARS.items():
            yield p + lin + ".linear.weight", _normal(p + lin, (dim(c, o), dim(c, i_)), seed)
            if c["clip"]:  # bounds that a few activations reach, exact in bfloat16
                r = _rng(p + lin + ".bounds", seed)
                a, b = np.round(r.uniform(3, 5) * 32) / 32, np.round(r.uniform(1.5, 2.5) * 32) / 32
                for bound, value in (("input_min", -a), ("input_max", a),
                                     ("output_min", -b), ("output_max", b)):
                    yield p + lin + "." + bound, np.float32(value)
    n = "model.embed_vision.embedding_projection.weight"
    yield n, _normal(n, (c["out"], c["D"]), seed)


# ----------------------------------------------------------------------------------
# Frames
# ----------------------------------------------------------------------------------

def target_size(width, height, max_soft_tokens, P=16, k=3):
    """The aspect-ratio preserving size of the released processor."""
    m = P * k
    f = math.sqrt(max_soft_tokens * k * k * P * P / (height * width))
    h, w = int(f * height // m) * m, int(f * width // m) * m
    if h == 0 and w == 0:
        raise ValueError("both sides are zero")
    if h == 0:
        h, w = m, min(width // height, max_soft_tokens) * m
    elif w == 0:
        w, h = m, min(height // width, max_soft_tokens) * m
    return w, h


def _integers(name, seed, count):
    """The stream of pipelines/formula.h: splitmix64 from the name's FNV-1a hash."""
    base = 0xCBF29CE484222325
    for b in name.encode():
        base = ((base ^ b) * 0x100000001B3) & MASK
    base = (base + seed * 0xD1B54A32D192ED03 + 0x9E3779B97F4A7C15) & MASK
    z = np.arange(count, dtype=np.uint64) + np.uint64(base)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def frame(width, height, index=0):
    """g4_formula_frame: gradients, shapes, hard edges, a little noise; uint8 RGB."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    a = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1),
                  (x + y) * 255 // max(width + height - 2, 1)], -1)
    r = max(min(width, height) // 4, 1)
    a[(x - width // 3) ** 2 + (y - height // 2) ** 2 <= r * r] = (230, 40, 60)
    a[(x >= width // 2) & (x < width * 7 // 8) & (y >= height // 8) & (y < height * 3 // 8)] = \
        (20, 200, 90)
    cell = max(min(width, height) // 16, 2)
    board = (x >= width * 5 // 8) & (y >= height * 5 // 8)
    a[board] = (((x // cell + y // cell) & 1) * 255)[board][:, None]
    noise = (_integers("frame", index, width * height * 3) >> np.uint64(59)).astype(np.int64) - 16
    return np.clip(a + noise.reshape(height, width, 3), 0, 255).astype(np.uint8)


def patches(img, P=16):
    """uint8 HxWx3 -> (float32 [1, N, 3 P^2] in 0..1, int64 positions [1, N, 2] as x, y)."""
    h, w, _ = img.shape
    gh, gw = h // P, w // P
    a = img.reshape(gh, P, gw, P, 3).transpose(0, 2, 1, 3, 4).reshape(1, gh * gw, 3 * P * P)
    yy, xx = np.mgrid[0:gh, 0:gw]
    pos = np.stack([xx.ravel(), yy.ravel()], -1)[None].astype(np.int64)
    return a.astype(np.float32) / np.float32(255), pos


def flops(c, n):
    """Of the layers alone, for n patches; a multiply-add is two."""
    D, HD, GD, F, L = c["D"], c["H"] * c["d"], c["G"] * c["d"], c["F"], c["layers"]
    return n * L * (2 * D * HD * 2 + 2 * D * GD * 2 + 3 * 2 * D * F) + L * 4 * n * n * HD
