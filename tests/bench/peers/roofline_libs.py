# SPDX-License-Identifier: Apache-2.0
"""Rates of the matrix products of numpy's OpenBLAS and of torch (f32 and bf16, oneDNN or MKL)."""
import argparse
import os
import time

p = argparse.ArgumentParser(description=__doc__)
p.add_argument("--threads", type=int, default=os.cpu_count())
a = p.parse_args()
for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[v] = str(a.threads)

import numpy as np
import threadpoolctl
import torch
from torch.nn.functional import linear

torch.set_num_threads(a.threads)
torch.set_grad_enabled(False)


def best(f, n=8):
    f()
    r = []
    for _ in range(n):
        t = time.perf_counter()
        f()
        r.append(time.perf_counter() - t)
    return min(r)


def random(rows, cols):
    return np.random.rand(rows, cols).astype(np.float32) - 0.5


for x in threadpoolctl.threadpool_info():
    print({k: x[k] for k in ("internal_api", "version", "num_threads", "architecture") if k in x})
for s in torch.__config__.show().splitlines():
    if "DNN v" in s or "Math Kernel" in s:
        print(s.strip())
for m, n, k in ((2304, 3072, 768), (2304, 768, 3072), (2304, 768, 768), (594, 3072, 768)):
    work = 2e-9 * m * n * k
    x, w = random(m, k), random(n, k)
    tx, tw = torch.from_numpy(x), torch.from_numpy(w)
    bx, bw = tx.bfloat16(), tw.bfloat16()
    row = {"numpy f32": best(lambda: x @ w.T), "torch f32": best(lambda: linear(tx, tw)),
           "torch bf16": best(lambda: linear(bx, bw))}
    if torch.backends.mkldnn.is_available():
        ops = torch.ops.mkldnn
        for name, tensor, weight in (("f32", tx, tw), ("bf16", bx, bw)):
            packed = ops._reorder_linear_weight(weight, m)
            row[f"oneDNN {name} prepacked"] = best(
                lambda: ops._linear_pointwise(tensor, packed, None, "none", [], None))
    print(f"M={m} N={n} K={k}: " + ", ".join(f"{s} {work / t:.1f} GFLOP/s" for s, t in row.items()))
