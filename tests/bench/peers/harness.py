# SPDX-License-Identifier: Apache-2.0
"""How every peer is run: command line, timing, the JSON line."""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from inputs import CONFIGS, flops, frame, patches, target_size

STAGE_HELP = "make this converted model and stop; done by itself when it is needed"


def parser(doc, precisions=("f32", "bf16", "int8")):
    p = argparse.ArgumentParser(description=doc)
    p.add_argument("--config", choices=sorted(CONFIGS), default="e2b")
    p.add_argument("--width", type=int, default=768,
                   help="width of the encoder's input (or of the source, with --max-soft-tokens)")
    p.add_argument("--height", type=int, default=768)
    p.add_argument("--max-soft-tokens", type=int, default=0,
                   help="derive the encoder's input size from width x height and this budget")
    p.add_argument("--precision", choices=precisions, default="f32")
    p.add_argument("--frames", type=int, default=5)
    p.add_argument("--warmup", type=int, default=1)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--qk-norm", type=float, default=0.354,
                   help="value of the q_norm and k_norm weights; 1 amplifies rounding errors")
    p.add_argument("--save", help="write the soft tokens of frame 0 as .npy here")
    p.add_argument("--cache", default=os.environ.get(
        "PEER_CACHE", os.path.join(tempfile.gettempdir(), "gemma4-peers")),
        help="folder for converted models")
    return p


def setup(p):
    """(arguments, configuration); the thread counts of BLAS libraries are set before any loads."""
    a = p.parse_args()
    if a.max_soft_tokens:
        a.width, a.height = target_size(a.width, a.height, a.max_soft_tokens)
    if a.width % 48 or a.height % 48:
        p.error("width and height must be multiples of 48")
    for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[v] = str(a.threads)
    os.makedirs(a.cache, exist_ok=True)
    return a, CONFIGS[a.config]


def cache_name(a, *parts):
    tag = f"{a.config}-s{a.seed}-q{a.qk_norm:g}"
    return os.path.join(a.cache, "-".join([tag, *map(str, parts)]))


def in_child(a, stage):
    """Runs a conversion step in its own process, so that it does not count in the peak RSS."""
    subprocess.run([sys.executable, sys.argv[0], *sys.argv[1:], "--stage", stage], check=True,
                   stdout=sys.stderr)


def rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Others:
    """CPU seconds used by other processes of the machine between start() and stop() (Linux)."""

    def _now(self):
        with open("/proc/stat") as f:
            v = [int(x) for x in f.readline().split()[1:9]]
        t = os.times()
        return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / os.sysconf("SC_CLK_TCK") - sum(t[:4])

    def start(self):
        self.t = self._now()

    def stop(self):
        return round(max(0.0, self._now() - self.t), 2)


def measure(a, c, peer, encode, extra=None):
    """encode(patches, positions) -> soft tokens [T, out]; prints the JSON line."""
    times, first, others = [], None, Others()
    inputs = [patches(frame(a.width, a.height, i)) for i in range(3)]
    for i in range(a.warmup + a.frames):
        px, pos = inputs[i % 3]
        if i == a.warmup:
            others.start()
        t = time.perf_counter()
        y = encode(px, pos)
        t = time.perf_counter() - t
        if i == 0:
            first = np.array(y, dtype=np.float32).reshape(-1, c["out"])
            t_first = t
        if i >= a.warmup:
            times.append(t)
    report(a, c, peer, times, rss_mb(), first,
           dict(extra or {}, first_seconds=round(t_first, 4), others_cpu_seconds=others.stop()))


def report(a, c, peer, times, peak, tokens, extra=None):
    if not np.isfinite(tokens).all():
        raise SystemExit("non-finite output")
    if a.save:
        np.save(a.save, tokens)
    n = (a.width // c["P"]) * (a.height // c["P"])
    s = sorted(times)
    med = s[len(s) // 2] if len(s) % 2 else (s[len(s) // 2 - 1] + s[len(s) // 2]) / 2
    print(json.dumps(dict(
        peer=peer, config=a.config, width=a.width, height=a.height, patches=n,
        precision=a.precision, threads=a.threads,
        seconds_per_frame=dict(min=round(s[0], 4), median=round(med, 4), max=round(s[-1], 4)),
        gflops_effective=round(flops(c, n) / med / 1e9, 1), peak_rss_mb=round(peak),
        soft_tokens=int(tokens.shape[0]), **(extra or {}))), flush=True)
