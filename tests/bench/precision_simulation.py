# SPDX-License-Identifier: Apache-2.0
"""What exactness each precision can reach on full-size formula weights, simulated in torch.

    precision_simulation.py CHECKPOINT base12|e2b|tower16 WxH [soft tokens]

The residual stream stays in float32; the products, the scores (q k^T) and their sums over values
(P V) are rounded as each scheme says. Prints the cosine of each soft token and of the frame's
vector to those of float32. CHECKPOINT is a folder of gemma4-make-checkpoint.
"""
import os
import sys
import time

import torch
import torch.nn.functional as F
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data"))
import make_goldens as goldens

SCHEMES = {
    "bf16 products, f32 stream": dict(linear="bf16", qk="bf16", pv="bf16"),
    "int8 linear, f32 attention": dict(linear="int8", qk="f32", pv="f32"),
    "int8 linear, bf16 attention": dict(linear="int8", qk="bf16", pv="bf16"),
    "int8 linear, int8 qk, bf16 pv": dict(linear="int8", qk="int8", pv="bf16"),
    "int8 linear, int8 qk smoothed, bf16 pv": dict(linear="int8", qk="int8 smoothed", pv="bf16"),
}
scheme = dict(linear="f32", qk="f32", pv="f32")
float_linear = F.linear
quantized = {}  # weights, by their address


def bf16(t):
    return t.to(torch.bfloat16).float()


def asymmetric(x):
    """8 bits with a zero point for each row, as activations."""
    lo, hi = x.amin(-1, keepdim=True).clamp(max=0), x.amax(-1, keepdim=True).clamp(min=0)
    s = ((hi - lo) / 255).clamp(min=1e-12)
    z = torch.round(-lo / s)
    return (torch.clamp(torch.round(x / s) + z, 0, 255) - z) * s


def symmetric(x, n=127):
    """8 bits without a zero point for each row, as weights."""
    s = (x.abs().amax(-1, keepdim=True) / n).clamp(min=1e-12)
    return torch.clamp(torch.round(x / s), -n, n) * s


def linear(x, w, b=None):
    if scheme["linear"] == "bf16":
        return float_linear(bf16(x), bf16(w), b)
    # The layers' alone: the patch embedding and the projection stay in float32.
    if scheme["linear"] == "int8" and x.shape[-1] in (768, 3072):
        if w.data_ptr() not in quantized:
            quantized[w.data_ptr()] = symmetric(w)
        return float_linear(asymmetric(x), quantized[w.data_ptr()], b)
    return float_linear(x, w, b)


def attention(module, q, k, v, mask, scaling=None, dropout=0.0, **kw):
    if scheme["qk"] == "bf16":
        q, k = bf16(q), bf16(k)
    elif scheme["qk"] == "int8":
        q, k = symmetric(q), symmetric(k)
    elif scheme["qk"] == "int8 smoothed":  # a constant added to every key changes no softmax
        q, k = symmetric(q), symmetric(k - k.mean(-2, keepdim=True))
    o = torch.empty_like(q)
    for head in range(q.shape[1]):  # one at a time: the scores of all would not fit in memory
        s = q[:, head] @ k[:, head].transpose(-1, -2)
        p = (s - s.amax(-1, keepdim=True)).exp()
        total = p.sum(-1, keepdim=True)
        values = v[:, head]
        if scheme["pv"] == "bf16":
            p, values = bf16(p), bf16(values)
        o[:, head] = p @ values / total
    return o.transpose(1, 2).contiguous(), None


def main():
    if len(sys.argv) not in (4, 5):
        raise SystemExit(__doc__)
    torch.set_grad_enabled(False)
    folder, kind = sys.argv[1:3]
    w, h = (int(v) for v in sys.argv[3].split("x"))
    budget = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    tower, embed = goldens.load_full_tower(folder, kind)
    th, tw = goldens.target_size(h, w, 16, 3, budget) if budget else (h, w)
    rgb = goldens.resize_frame(goldens.synth_frame(w, h, 0), th, tw)
    patches, positions = goldens.patchify(rgb, 16)
    px = torch.from_numpy(patches)[None]
    pos = torch.from_numpy(positions.astype("int64"))[None]

    F.linear = linear
    ALL_ATTENTION_FUNCTIONS["simulated"] = attention
    for m in (tower, *tower.modules()):
        if hasattr(m, "config"):
            m.config._attn_implementation = "simulated"

    def run():
        y = embed(tower(pixel_values=px, pixel_position_ids=pos).last_hidden_state).float()
        return y.reshape(-1, y.shape[-1])

    start = time.time()
    ref = run()
    print(f"{kind} {tw}x{th} {len(patches)} patches: reference {time.time() - start:.1f} s, "
          f"tokens {tuple(ref.shape)}")
    for name, settings in SCHEMES.items():
        scheme.update(settings)
        y = run()
        c = F.cosine_similarity(y, ref, dim=-1)
        frame = F.cosine_similarity(y.mean(0), ref.mean(0), dim=0)
        error = (y - ref).abs().max() / ref.pow(2).mean().sqrt()
        print(f"{name:40s} token cosine min {c.min():.6f} median {c.median():.6f}  "
              f"frame vector {frame:.7f}  max abs/rms {error:.4f}", flush=True)


if __name__ == "__main__":
    main()
