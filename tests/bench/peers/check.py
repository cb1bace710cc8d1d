# SPDX-License-Identifier: Apache-2.0
"""Compares saved soft tokens (--save) with a float64 evaluation of the same encoder.

    check.py --config C --width W --height H [--max-soft-tokens T] [--qk-norm Q] a.npy b.npy ...

Prints for each file the cosine of each soft token (the least and the mean), that of their mean,
and the largest absolute difference. gemma4-bench's tokens compare if it ran on peer-checkpoint.py's
folder of the same configuration, seed and q/k norm.
"""
import json
import os

import numpy as np

import harness
import inputs

p = harness.parser(__doc__)
p.add_argument("files", nargs="+")
p.add_argument("--reference", help="keep the float64 result here as .npy, or reuse it")
a, c = harness.setup(p)


def float64_tokens():
    import torch

    import torch_encoder
    torch.set_num_threads(a.threads)
    torch.set_grad_enabled(False)
    model = torch_encoder.build(a, c).double()
    px = inputs.patches(inputs.frame(a.width, a.height, 0))[0]
    return model(torch.from_numpy(px).double())[0].numpy()


def cosine(x, y):
    return (x * y).sum(-1) / (np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1))


if a.reference and os.path.exists(a.reference):
    ref = np.load(a.reference)
else:
    ref = float64_tokens()
    if a.reference:
        np.save(a.reference, ref)
rms = np.sqrt((ref ** 2).mean())
for f in a.files:
    y = np.load(f).astype(np.float64)
    if y.shape != ref.shape:
        raise SystemExit(f"{f}: shape {y.shape}, expected {ref.shape}")
    token = cosine(y, ref)
    print(json.dumps(dict(
        file=os.path.basename(f), cosine_min=round(token.min(), 7),
        cosine_mean=round(token.mean(), 7), cosine_frame=round(cosine(y.mean(0), ref.mean(0)), 7),
        max_abs_diff=float(f"{np.abs(y - ref).max():.3g}"), reference_rms=round(float(rms), 4))))
