#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_bench.py GEMMA4_BENCH TEST_DATA: the bench's line, its tokens and its refusals. Writes TAP."""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
STAGES = ["embed", "qkv", "attention", "o", "gate-up", "down", "pool", "project", "wait"]
KEYS = ["peer", "config", "width", "height", "patches", "precision", "threads",
        "seconds_per_frame", "gflops_effective", "peak_rss_mb", "soft_tokens", "first_seconds",
        "others_cpu_seconds"]
bench, data = sys.argv[1], sys.argv[2]
model = os.path.join(data, "cases", "aspect")
results = []


def check(name, ok, why=""):
    results.append(ok)
    print(("ok" if ok else "not ok"), len(results), name)
    if not ok and why:
        print("# " + str(why).replace("\n", "\n# "))


def run(*args):
    return subprocess.run([bench, *args], capture_output=True, text=True)


def read_npy(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack_from("<H", raw, 8)[0]
    shape = eval(raw[10:10 + n], {"__builtins__": {}})["shape"]
    return shape, struct.unpack(f"={math.prod(shape)}f", raw[10 + n:])


with tempfile.TemporaryDirectory() as folder:
    out = os.path.join(folder, "tokens.npy")
    common = ("--model", model, "--precision", "f32", "--threads", "2", "--frames", "2")
    r = run(*common, "--width", "192", "--height", "108", "--max-soft-tokens", "30", "--save", out,
            "--roofline", "100")
    check("a run succeeds", r.returncode == 0, r.stderr)
    line = json.loads(r.stdout)
    check("one line on stdout", r.stdout.count("\n") == 1, r.stdout)
    check("keys are the peers', in their order", list(line)[:len(KEYS)] == KEYS, list(line))
    check("every stage is timed", list(line["stages"]) == ["resize", *STAGES], line["stages"])
    check("products have a rate", all(line["stages"][s]["gflops"] > 0 for s in STAGES[:6]), line)
    check("shares of the roofline", all("roofline" in line["stages"][s] for s in STAGES[1:6]), line)
    shape, tokens = read_npy(out)
    check("tokens are saved", shape[0] == line["soft_tokens"] and any(tokens), shape)

    # The input that a budget chose, given as such: the same picture, so the same tokens.
    again = os.path.join(folder, "again.npy")
    r = run(*common, "--width", str(line["width"]), "--height", str(line["height"]), "--save", again)
    check("an input size is kept", r.returncode == 0 and read_npy(again) == (shape, tokens),
          r.stderr)

    for name, args, status in (
            ("no model is wrong", ("--frames", "1"), 2),
            ("an unknown precision is wrong", ("--model", model, "--precision", "f64"), 2),
            ("no frames is wrong", ("--model", model, "--frames", "0"), 2),
            ("two policies are wrong", ("--model", model, "--square", "48",
                                        "--max-soft-tokens", "4"), 2),
            ("an odd input size fails", ("--model", model, "--width", "191"), 1),
            ("a missing checkpoint fails", ("--model", os.path.join(folder, "none")), 1)):
        r = run(*args)
        check(name, r.returncode == status and not r.stdout and "gemma4-bench: " in r.stderr,
              (r.returncode, r.stdout, r.stderr))

    record = os.path.join(folder, "record.jsonl")
    with open(record, "w") as f:
        for number, ours, theirs in ((0, 1.0, 1.5), (1, 1.0, 1.3), (2, 2.0, 2.0), (3, 1.0, 9.0)):
            for peer, seconds in (("gst-gemma4", ours), ("other", theirs)):
                f.write(json.dumps(dict(
                    peer=peer, case="A", round=number, precision="f32",
                    others_share=0.2 if number == 3 and peer == "other" else 0.01,
                    seconds_per_frame=dict(median=seconds), peak_rss_mb=10, kernels="k",
                    threads=2, date="d", processor="p")) + "\n")
    r = subprocess.run([sys.executable, os.path.join(HERE, "compare"), "--table", record],
                       capture_output=True, text=True)
    check("ratios are formed inside each round, disturbed ones left out",
          "**1.30** (1.50, 1.30, 1.00)" in r.stdout, r.stdout + r.stderr)
print(f"1..{len(results)}")
sys.exit(not all(results))
