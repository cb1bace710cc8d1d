# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's mtmd (projector gemma4v): clip_image_encode on a vision-only GGUF.

Needs a llama.cpp source tree and a static build of it. The sdist of llama-cpp-python carries one,
whose internal headers the driver uses: keep the version.

  pip download --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36
  tar xf llama_cpp_python-0.3.36.tar.gz && cd llama_cpp_python-0.3.36
  cmake -S vendor/llama.cpp -B BUILD -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \\
        -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \\
        -DLLAMA_BUILD_SERVER=OFF
  make -C BUILD ggml mtmd

LLAMA_CPP_SRC and LLAMA_CPP_BUILD (or --source, --build) name the two folders.
"""
import glob
import json
import os
import subprocess
import sys

import harness
import inputs

p = harness.parser(__doc__, ("f32", "f16", "bf16", "int8"))
p.add_argument("--source", default=os.environ.get("LLAMA_CPP_SRC"))
p.add_argument("--build", default=os.environ.get("LLAMA_CPP_BUILD"))
p.add_argument("--no-flash", action="store_true",
               help="plain attention in place of flash attention")
p.add_argument("--quick-gelu", action="store_true",
               help="leave clip.use_gelu unset, as llama.cpp's own converter does")
p.add_argument("--stage", choices=("gguf",), help=harness.STAGE_HELP)
a, c = harness.setup(p)
path = harness.cache_name(a, a.precision, "quick" if a.quick_gelu else "gelu") + ".gguf"

NAMES = {
    "input_layernorm": "ln1", "post_attention_layernorm": "attn_post_norm",
    "pre_feedforward_layernorm": "ln2", "post_feedforward_layernorm": "ffn_post_norm",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_out",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def write_gguf():
    import gguf
    import numpy as np
    g = gguf.GGUFWriter(path, "clip")
    g.add_bool("clip.has_vision_encoder", True)
    g.add_string("clip.projector_type", "gemma4v")
    sizes = dict(image_size=224, patch_size=c["P"], embedding_length=c["D"],
                 feed_forward_length=c["F"], block_count=c["layers"], projection_dim=c["out"])
    for k, v in sizes.items():
        g.add_uint32("clip.vision." + k, v)
    g.add_uint32("clip.vision.attention.head_count", c["H"])
    g.add_uint32("clip.vision.attention.head_count_kv", c["G"])
    g.add_float32("clip.vision.attention.layer_norm_epsilon", c["eps"])
    g.add_array("clip.vision.image_mean", [0.0, 0.0, 0.0])
    g.add_array("clip.vision.image_std", [1.0, 1.0, 1.0])
    if not a.quick_gelu:
        g.add_bool("clip.use_gelu", True)
    Q = gguf.GGMLQuantizationType
    kind = dict(f32=Q.F32, f16=Q.F16, bf16=Q.BF16, int8=Q.Q8_0)[a.precision]
    for name, w in inputs.weights(c, a.seed, a.qk_norm):
        t = Q.F32
        if name.endswith("position_embedding_table"):
            out = "v.position_embd.weight"
        elif name.endswith("input_proj.weight"):
            out = "v.patch_embd.weight"
            w = w.reshape(c["D"], c["P"], c["P"], 3).transpose(0, 3, 1, 2)
            t = Q.F32 if a.precision == "f32" else Q.F16
        elif name.endswith("embedding_projection.weight"):
            out, t = "mm.input_projection.weight", kind
        else:
            i, rest = name.removeprefix("model.vision_tower.encoder.layers.").split(".", 1)
            stem, leaf = rest.rsplit(".", 1)
            if stem.endswith(".linear"):
                stem, t = stem.removesuffix(".linear"), kind
            out = f"v.blk.{i}.{NAMES[stem]}.{leaf}"
        w = np.ascontiguousarray(np.atleast_1d(w))
        if t == Q.F32:
            g.add_tensor(out, w)
        elif t == Q.F16:
            g.add_tensor(out, w.astype(np.float16))
        else:
            g.add_tensor(out, gguf.quants.quantize(w, t), raw_dtype=t)
    g.write_header_to_file()
    g.write_kv_data_to_file()
    g.write_tensors_to_file()
    g.close()


def build_driver(source, program):
    first = [os.path.join(a.build, x) for x in
             ("tools/mtmd/libmtmd.a", "src/libllama.a", "ggml/src/libggml.a",
              "ggml/src/libggml-cpu.a", "ggml/src/libggml-base.a")]
    rest = [x for x in glob.glob(os.path.join(a.build, "**", "*.a"), recursive=True)
            if x not in first]
    folders = [f"-I{a.source}/{d}" for d in ("tools/mtmd", "include", "ggml/include", "vendor",
                                             "common")]
    subprocess.run(["g++", "-O2", "-std=c++17", "-fopenmp", source, "-o", program, *folders,
                    "-Wl,--start-group", *first, *rest, "-Wl,--end-group", "-lpthread", "-ldl"],
                   check=True, stdout=sys.stderr)


if a.stage:
    write_gguf()
    raise SystemExit
if not a.source or not a.build:
    p.error("name llama.cpp's folders: --source and --build, or LLAMA_CPP_SRC and LLAMA_CPP_BUILD")
source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "llamacpp_driver.cpp")
driver = os.path.join(a.cache, "llamacpp_driver")
if not os.path.exists(driver) or os.path.getmtime(driver) < os.path.getmtime(source):
    build_driver(source, driver)
if not os.path.exists(path):
    harness.in_child(a, "gguf")

import numpy as np

raw, tokens = path + ".frame", path + ".tokens"
inputs.frame(a.width, a.height, 0).tofile(raw)
others = harness.Others()
others.start()
arguments = [path, a.width, a.height, a.threads, a.warmup, a.frames, int(not a.no_flash), raw,
             tokens]
out = subprocess.run([driver, *map(str, arguments)], check=True, capture_output=True, text=True)
r = json.loads(out.stdout)
y = np.fromfile(tokens, np.float32).reshape(-1, c["out"])
os.remove(raw)
os.remove(tokens)
harness.report(a, c, "llamacpp-" + ("plain" if a.no_flash else "flash"), r["times"], r["rss_mb"], y,
               dict(others_cpu_seconds=others.stop()))
