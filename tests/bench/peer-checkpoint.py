#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the peers' seeded weights as a checkpoint folder, so that gemma4-bench runs on them.

    peer-checkpoint.py base12|e2b|tower16 DIR [--dtype f32|bf16] [--seed N] [--qk-norm Q]

All values are exact in bfloat16, so both dtypes hold the same network.
"""
import argparse
import json
import math
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"))
import inputs


def config_json(c, dtype):
    vision = {
        "model_type": "gemma4_vision", "hidden_size": c["D"], "intermediate_size": c["F"],
        "num_hidden_layers": c["layers"], "num_attention_heads": c["H"],
        "num_key_value_heads": c["G"], "head_dim": c["d"], "patch_size": c["P"],
        "pooling_kernel_size": c["k"], "position_embedding_size": c["table"],
        "rms_norm_eps": c["eps"], "standardize": False, "use_clipped_linears": c["clip"],
        "hidden_activation": "gelu_pytorch_tanh",
        "rope_parameters": {"rope_type": "default", "rope_theta": c["theta"]},
    }
    return {"architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4",
            "dtype": dtype, "text_config": {"model_type": "gemma4_text", "hidden_size": c["out"]},
            "vision_config": vision}


PROCESSOR = {"image_processor": {
    "image_processor_type": "Gemma4ImageProcessor", "patch_size": 16, "pooling_kernel_size": 3,
    "max_soft_tokens": 280, "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": False, "resample": 3}}


def write_safetensors(path, c, seed, qk_norm, bf16):
    """Two passes over the weights: the header first, then one tensor at a time."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, w in inputs.weights(c, seed, qk_norm):
        size = math.prod(w.shape) * (2 if bf16 else 4)
        header[name] = {"dtype": "BF16" if bf16 else "F32", "shape": list(w.shape),
                        "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(len(text).to_bytes(8, "little"))
        f.write(text)
        for _, w in inputs.weights(c, seed, qk_norm):
            bits = np.ascontiguousarray(w, "<f4").view("<u4")
            f.write((bits >> 16).astype("<u2").tobytes() if bf16 else bits.tobytes())
    os.replace(path + ".part", path)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("config", choices=sorted(inputs.CONFIGS))
    p.add_argument("dir")
    p.add_argument("--dtype", choices=("f32", "bf16"), default="bf16")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--qk-norm", type=float, default=0.354)
    a = p.parse_args()
    c = inputs.CONFIGS[a.config]
    os.makedirs(a.dir, exist_ok=True)
    dtype = "bfloat16" if a.dtype == "bf16" else "float32"
    for name, content in (("config.json", config_json(c, dtype)),
                          ("processor_config.json", PROCESSOR)):
        with open(os.path.join(a.dir, name), "w") as f:
            json.dump(content, f, indent=2)
            f.write("\n")
    write_safetensors(os.path.join(a.dir, "model.safetensors"), c, a.seed, a.qk_norm,
                      a.dtype == "bf16")


if __name__ == "__main__":
    main()
