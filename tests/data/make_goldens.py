#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the checkpoints and goldens of this folder with Hugging Face Transformers.

Small random checkpoints in the on-disk layout of real releases, and what Transformers computes
with them in float32, one folder per case:

    make_goldens.py --out DIR [--seed S] [--case NAME ...]

Each folder holds config.json, model.safetensors (or shards and their index),
processor_config.json or preprocessor_config.json, and golden.safetensors.

Full-size checkpoints are written from a formula, not stored (pipelines/formula.h):

    make_goldens.py --write-checkpoint {tower16,base12,e2b} DIR --dtype {f32,bf16}
    make_goldens.py --golden-full DIR [--frame-size WxH] [--golden-out FILE]

The checkpoints' weights, the clip bounds and the frames all come from that formula, so that C
makes the same values without reading a file. README.md tells the layout of golden.safetensors.
"""
import argparse
import json
import math
import os
import struct
import sys
import tempfile
import time

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

# ----------------------------------------------------------------------------------
# The formula: names, streams, values (pipelines/formula.h)
# ----------------------------------------------------------------------------------

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
MIX1 = 0xBF58476D1CE4E5B9
MIX2 = 0x94D049BB133111EB


def fnv1a64(text):
    """FNV-1a, 64 bits, over the UTF-8 bytes of text."""
    h = 0xCBF29CE484222325
    for b in text.encode("utf-8"):
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def stream_base(name, seed):
    """Start of a tensor's stream: hash of the name, moved by the seed."""
    return (fnv1a64(name) + seed * 0xD1B54A32D192ED03) & MASK


def splitmix64(base, start, count):
    """splitmix64(base + i) for i = start .. start + count - 1, as uint64."""
    z = np.arange(start, start + count, dtype=np.uint64)
    z += np.uint64((base + GOLDEN) & MASK)
    t = z >> np.uint64(30)
    z ^= t
    z *= np.uint64(MIX1)
    np.right_shift(z, np.uint64(27), out=t)
    z ^= t
    z *= np.uint64(MIX2)
    np.right_shift(z, np.uint64(31), out=t)
    z ^= t
    return z


def det_values(name, count, scale, offset=0.0, seed=0, start=0, out=None):
    """float32 values: (float)(offset + scale * u), u = (z >> 40) / 2^23 - 1, in double.

    scale and offset are rounded to float32 first, so the product is exact in double and
    a fused multiply-add gives the same result.
    """
    scale = float(np.float32(scale))
    offset = float(np.float32(offset))
    base = stream_base(name, seed)
    if out is None:
        out = np.empty(count, np.float32)
    step = 1 << 17
    for a in range(0, count, step):
        n = min(step, count - a)
        z = splitmix64(base, start + a, n)
        z >>= np.uint64(40)
        u = z.astype(np.float64)
        u *= 2.0 ** -23
        u -= 1.0
        u *= scale
        if offset:
            u += offset
        out[a:a + n] = u
    return out


def det_scalar(name, scale, offset, seed=0):
    return float(det_values(name, 1, scale, offset, seed)[0])


def f32_to_bf16_bits(x):
    """Round to nearest, ties to even; input finite or infinite float32."""
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    r = u + np.uint32(0x7FFF) + ((u >> np.uint32(16)) & np.uint32(1))
    out = (r >> np.uint32(16)).astype(np.uint16)
    inf = (u & np.uint32(0x7FFFFFFF)) >= np.uint32(0x7F800000)
    if inf.any():
        out[inf] = (u[inf] >> np.uint32(16)).astype(np.uint16)
    return out


def bf16_bits_to_f32(b):
    return (b.astype(np.uint32) << np.uint32(16)).view(np.float32)


LINEARS = (
    ("self_attn.q_proj", "q"), ("self_attn.k_proj", "k"), ("self_attn.v_proj", "v"),
    ("self_attn.o_proj", "o"), ("mlp.gate_proj", "gate"), ("mlp.up_proj", "up"),
    ("mlp.down_proj", "down"),
)
BOUNDS = ("input_min", "input_max", "output_min", "output_max")


def vision_tensors(vc, output_dim):
    """Yields (canonical name, shape, scale, offset) for every tensor of the tower.

    Canonical names are those of the full Gemma 4 checkpoint ("model.vision_tower...");
    they seed the streams whatever prefix the file on disk uses.
    """
    D, F, P = vc["hidden_size"], vc["intermediate_size"], vc["patch_size"]
    H, G, d = vc["num_attention_heads"], vc["num_key_value_heads"], vc["head_dim"]
    lin = lambda gain, fan_in: gain * math.sqrt(3.0 / fan_in)  # uniform with std gain/sqrt(fan_in)
    t = "model.vision_tower."
    yield t + "patch_embedder.input_proj.weight", (D, 3 * P * P), lin(1.0, 3 * P * P), 0.0
    yield (t + "patch_embedder.position_embedding_table",
           (2, vc["position_embedding_size"], D), 0.5, 0.0)
    # q and k are normalised per head, so the logits have std about w_q * w_k * sqrt(d):
    # norm weights about sqrt(2) / d^(1/4) give std 2.
    qk = math.sqrt(2.0) / math.sqrt(math.sqrt(d))
    for i in range(vc["num_hidden_layers"]):
        p = f"{t}encoder.layers.{i}."
        for n in ("input_layernorm", "post_attention_layernorm",
                  "pre_feedforward_layernorm", "post_feedforward_layernorm"):
            yield p + n + ".weight", (D,), 0.25, 1.0
        yield p + "self_attn.q_norm.weight", (d,), 0.25 * qk, qk
        yield p + "self_attn.k_norm.weight", (d,), 0.25 * qk, qk
        shapes = {"q": (H * d, D), "k": (G * d, D), "v": (G * d, D), "o": (D, H * d),
                  "gate": (F, D), "up": (F, D), "down": (D, F)}
        for mod, short in LINEARS:
            rows, cols = shapes[short]
            yield p + mod + ".linear.weight", (rows, cols), lin(1.0, cols), 0.0
            if vc["use_clipped_linears"]:
                # inputs and outputs have RMS about 1 (the product before `down` less)
                c = vc.get("_clip_center", 2.0)
                k = 0.35 if short == "down" else 1.0
                yield p + mod + ".input_min", (), 0.25 * c * k, -c * k
                yield p + mod + ".input_max", (), 0.25 * c * k, c * k
                yield p + mod + ".output_min", (), 0.25 * c * (0.4 if short == "down" else 1.0), \
                    -c * (0.4 if short == "down" else 1.0)
                yield p + mod + ".output_max", (), 0.25 * c * (0.4 if short == "down" else 1.0), \
                    c * (0.4 if short == "down" else 1.0)
    if vc["standardize"]:
        yield t + "std_bias", (D,), 2.0, 0.0
        yield t + "std_scale", (D,), 0.05, 0.1
    if output_dim:
        yield ("model.embed_vision.embedding_projection.weight", (output_dim, D),
               lin(1.0, D), 0.0)


# ----------------------------------------------------------------------------------
# Frames
# ----------------------------------------------------------------------------------

def synth_frame(width, height, seed=0):
    """Deterministic RGB frame, integers only: gradients, shapes, hard edges, a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    w1, h1 = max(width - 1, 1), max(height - 1, 1)
    img = np.stack([x * 255 // w1, y * 255 // h1, (x + y) * 255 // max(width + height - 2, 1)], -1)
    # a filled circle
    r = max(min(width, height) // 4, 1)
    img[(x - width // 3) ** 2 + (y - height // 2) ** 2 <= r * r] = (230, 40, 60)
    # a filled rectangle
    img[(x >= width // 2) & (x < width * 7 // 8) & (y >= height // 8) & (y < height * 3 // 8)] = (20, 200, 90)
    # a black and white checkerboard in the lower right
    cell = max(min(width, height) // 16, 2)
    board = (x >= width * 5 // 8) & (y >= height * 5 // 8)
    odd = ((x // cell + y // cell) & 1) == 1
    img[board & odd] = 255
    img[board & ~odd] = 0
    # noise in -16 .. 15
    z = splitmix64(stream_base("frame", seed), 0, width * height * 3)
    noise = (z >> np.uint64(59)).astype(np.int64).reshape(height, width, 3) - 16
    return np.clip(img + noise, 0, 255).astype(np.uint8)


def target_size(height, width, patch, pool, max_soft_tokens):
    """Aspect-ratio preserving size, in IEEE double, in this order of operations."""
    max_patches = max_soft_tokens * pool * pool
    side = pool * patch
    factor = math.sqrt(max_patches * patch * patch / (height * width))
    th = math.floor(factor * height / side) * side
    tw = math.floor(factor * width / side) * side
    if th == 0 and tw == 0:
        raise ValueError("0 x 0")
    if th == 0:
        th, tw = side, min((width // height) * side, max_soft_tokens * side)
    elif tw == 0:
        tw, th = side, min((height // width) * side, max_soft_tokens * side)
    if th * tw > max_patches * patch * patch:
        raise ValueError("over the budget")
    return th, tw


def resize_frame(rgb, th, tw):
    """Pillow BICUBIC on 8 bits, horizontal pass then vertical; an exact size is untouched.

    Two calls: Pillow 13 and later run the vertical pass first when the height shrinks by
    more than twice what the width does, which gives other values; a call per pass gives
    the same result with every version.
    """
    from PIL import Image
    im = Image.fromarray(rgb)
    im = im.resize((tw, im.height), Image.Resampling.BICUBIC)
    return np.asarray(im.resize((tw, th), Image.Resampling.BICUBIC))


def patchify(img, patch, rescale=1.0 / 255.0):
    """[H, W, 3] uint8 -> [N, 3 P^2] float32 in 0..1 and [N, 2] int32 positions (x, y)."""
    h, w, _ = img.shape
    gh, gw = h // patch, w // patch
    v = (img.astype(np.float64) * rescale).astype(np.float32)
    v = v.reshape(gh, patch, gw, patch, 3).transpose(0, 2, 1, 3, 4).reshape(gh * gw, -1)
    gx, gy = np.meshgrid(np.arange(gw), np.arange(gh), indexing="xy")
    return np.ascontiguousarray(v), np.stack([gx, gy], -1).reshape(-1, 2).astype(np.int32)


# ----------------------------------------------------------------------------------
# Cases
# ----------------------------------------------------------------------------------

def vision_config(**kw):
    vc = dict(
        attention_bias=False, attention_dropout=0.0, default_output_length=280,
        dtype="float32", head_dim=16, hidden_activation="gelu_pytorch_tanh", hidden_size=96,
        initializer_range=0.02, intermediate_size=128, max_position_embeddings=131072,
        model_type="gemma4_vision", num_attention_heads=4, num_hidden_layers=2,
        num_key_value_heads=4, patch_size=16, pooling_kernel_size=3,
        position_embedding_size=64, rms_norm_eps=1e-06,
        rope_parameters={"rope_theta": 100.0, "rope_type": "default"},
        standardize=False, use_clipped_linears=False)
    vc.update(kw)
    vc.setdefault("global_head_dim", vc["head_dim"])
    return vc


def infinite_bound(name):
    """Which bounds of the case "bounds" are infinite: every pattern of sides occurs."""
    return name.endswith((
        "0.self_attn.q_proj.input_min", "0.self_attn.k_proj.input_max",
        "0.self_attn.v_proj.output_min", "0.self_attn.o_proj.output_max",
        "0.mlp.gate_proj.input_min", "0.mlp.gate_proj.input_max",
        "0.mlp.up_proj.output_min", "0.mlp.up_proj.output_max",
        "1.mlp.down_proj.input_min", "1.mlp.down_proj.input_max",
        "1.mlp.down_proj.output_min", "1.mlp.down_proj.output_max",
        "1.self_attn.q_proj.output_max", "1.self_attn.v_proj.input_min",
        "1.self_attn.v_proj.output_max"))


# A frame is (width, height, max_soft_tokens or None for the square policy).
CASES = {
    # KerasHub's documented layout: square policy, clipping, grouped-query attention, one file, F32.
    # 96x96 is not resampled, 211x96 needs the horizontal pass only.
    "square": dict(
        layout="gemma4", output_dim=40, dtype="F32", processor="preprocessor",
        image_size=96,
        vision=dict(hidden_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=24,
                    intermediate_size=80, num_hidden_layers=2, use_clipped_linears=True,
                    position_embedding_size=32, _clip_center=1.5),
        frames=[(120, 80, None), (96, 96, None), (211, 96, None)]),
    # Aspect-ratio policy, P = 4 (P * k = 12), H * d != D, larger table, many sizes:
    # landscape, portrait, tiny, 20:1, extreme portrait, exact size, 70 tokens, a size that
    # only comes out right in IEEE double in the documented order, vertical pass only.
    "aspect": dict(
        layout="gemma4", output_dim=32, dtype="F32", processor="processor",
        max_soft_tokens=70, probes=False,
        vision=dict(hidden_size=40, num_attention_heads=4, num_key_value_heads=4, head_dim=16,
                    intermediate_size=64, num_hidden_layers=2, patch_size=4,
                    position_embedding_size=256),
        frames=[(160, 90, 8), (90, 160, 8), (5, 7, 4), (400, 20, 4), (13, 300, 4), (48, 24, 8),
                (213, 120, 70), (34, 17, 8), (24, 40, 8)]),
    # The 26B / 31B kind: d = 72 (m = 36), standardize, BF16. Its processor_config.json
    # carries a `size` of 224 beside max_soft_tokens, as released files do: it is not used.
    "standardize": dict(
        layout="gemma4", output_dim=56, dtype="BF16", processor="processor",
        max_soft_tokens=4, processor_size=224,
        vision=dict(hidden_size=144, num_attention_heads=2, num_key_value_heads=2, head_dim=72,
                    intermediate_size=88, num_hidden_layers=2, standardize=True,
                    position_embedding_size=40),
        frames=[(200, 100, 4), (72, 72, 4)]),
    # Two shards, mixed F16 / BF16 / F32, clipped, sham language model in both shards.
    "sharded": dict(
        layout="gemma4", output_dim=48, dtype="MIXED", shards=2, processor="processor",
        max_soft_tokens=4,
        vision=dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=1, head_dim=16,
                    intermediate_size=80, num_hidden_layers=2, use_clipped_linears=True,
                    position_embedding_size=48),
        frames=[(75, 50, 4)]),
    # The tower saved alone: no prefix, no projection, config.json is the vision config.
    "tower_only": dict(
        layout="tower", output_dim=0, dtype="BF16", processor="preprocessor", probes=False,
        max_soft_tokens=4,
        vision=dict(hidden_size=64, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
                    intermediate_size=80, num_hidden_layers=2, position_embedding_size=48),
        frames=[(50, 75, 4)]),
    # EmbeddingGemma 2: "vision_tower." / "embed_vision." without "model.".
    "embeddinggemma2": dict(
        layout="embedding_gemma2", output_dim=32, dtype="BF16", processor="processor",
        max_soft_tokens=4, probes=False,
        vision=dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=4, head_dim=16,
                    intermediate_size=80, num_hidden_layers=2, position_embedding_size=48),
        frames=[(90, 60, 4)]),
    # Everything that the other cases leave at its usual value: rope theta, epsilon, pool size,
    # d a multiple of 4 but not of 8, groups of four query heads, H*d twice D.
    "unusual": dict(
        layout="gemma4", output_dim=36, dtype="F32", processor="processor",
        max_soft_tokens=12,
        vision=dict(hidden_size=80, num_attention_heads=8, num_key_value_heads=2, head_dim=20,
                    intermediate_size=100, num_hidden_layers=2, patch_size=8,
                    pooling_kernel_size=2, position_embedding_size=48, rms_norm_eps=0.05,
                    rope_parameters={"rope_theta": 5000.0, "rope_type": "default"}),
        frames=[(97, 61, 12), (20, 90, 12)]),
    # Clipped linears some of whose bounds are infinite, on one side or both.
    "bounds": dict(
        layout="gemma4", output_dim=24, dtype="F32", processor="processor",
        max_soft_tokens=6, infinite_bounds=infinite_bound,
        vision=dict(hidden_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
                    intermediate_size=64, num_hidden_layers=2, patch_size=4,
                    use_clipped_linears=True, position_embedding_size=48, _clip_center=1.5),
        frames=[(70, 40, 6)]),
}

FULL = {
    "base12": dict(
        layout="gemma4", output_dim=2304, processor="preprocessor", image_size=768,
        vision=dict(hidden_size=768, num_attention_heads=12, num_key_value_heads=12, head_dim=64,
                    intermediate_size=3072, num_hidden_layers=12, use_clipped_linears=True,
                    position_embedding_size=1024, _clip_center=3.0)),
    "tower16": dict(
        layout="embedding_gemma2", output_dim=512, processor="processor", max_soft_tokens=280,
        video_soft_tokens=140, video_processor="EmbeddingGemma2VideoProcessor",
        vision=dict(hidden_size=768, num_attention_heads=12, num_key_value_heads=12, head_dim=64,
                    intermediate_size=3072, num_hidden_layers=16,
                    position_embedding_size=10240)),
    "e2b": dict(
        layout="gemma4", output_dim=1536, processor="processor", max_soft_tokens=280,
        vision=dict(hidden_size=768, num_attention_heads=12, num_key_value_heads=12, head_dim=64,
                    intermediate_size=3072, num_hidden_layers=16, use_clipped_linears=True,
                    position_embedding_size=10240, _clip_center=3.0)),
}

PREFIX = {"gemma4": "model.", "embedding_gemma2": "", "tower": None}


def disk_name(canonical, layout):
    """Canonical name -> name in the file; None when the layout has no such tensor."""
    if layout == "gemma4":
        return canonical
    if layout == "embedding_gemma2":
        return canonical[len("model."):]
    t = "model.vision_tower."
    return canonical[len(t):] if canonical.startswith(t) else None


def config_json(spec, dtype_name):
    layout = spec["layout"]
    vc = {k: v for k, v in vision_config(**spec["vision"]).items() if not k.startswith("_")}
    vc["dtype"] = dtype_name
    if spec.get("image_size"):
        vc["image_size"] = spec["image_size"]
    if layout == "tower":
        return {"architectures": ["Gemma4VisionModel"], **vc}
    tokens = dict(boi_token_id=255999, eoi_token_id=258882, image_token_id=258880,
                  video_token_id=258884, audio_token_id=258881, boa_token_id=256000)
    if layout == "embedding_gemma2":
        text = dict(model_type="embedding_gemma2_text", hidden_size=spec["output_dim"],
                    intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
                    num_key_value_heads=1, head_dim=8, vocab_size=32, embedding_dim=12,
                    hidden_size_per_layer_input=4, layer_types=["full_attention"],
                    per_layer_config={"0": {"head_dim": 8, "num_key_value_heads": 1}},
                    dtype=dtype_name)
        return dict(architectures=["EmbeddingGemma2Model"], model_type="embedding_gemma2",
                    dtype=dtype_name, audio_config=None, text_config=text, vision_config=vc,
                    vision_soft_tokens_per_image=280, **tokens)
    text = dict(model_type="gemma4_text", hidden_size=spec["output_dim"], intermediate_size=16,
                num_hidden_layers=2, num_attention_heads=1, num_key_value_heads=1, head_dim=8,
                global_head_dim=8, vocab_size=32, vocab_size_per_layer_input=32,
                hidden_size_per_layer_input=4, num_kv_shared_layers=0, enable_moe_block=False,
                layer_types=["sliding_attention", "full_attention"], tie_word_embeddings=True,
                dtype=dtype_name)
    return dict(architectures=["Gemma4ForConditionalGeneration"], model_type="gemma4",
                dtype=dtype_name, audio_config=None, text_config=text, vision_config=vc,
                tie_word_embeddings=True, vision_soft_tokens_per_image=280, **tokens)


def processor_json(spec):
    vc = vision_config(**spec["vision"])
    image = dict(do_convert_rgb=True, do_normalize=False, do_rescale=True, do_resize=True,
                 image_mean=[0.0, 0.0, 0.0], image_processor_type="Gemma4ImageProcessor",
                 image_std=[1.0, 1.0, 1.0], patch_size=vc["patch_size"],
                 pooling_kernel_size=vc["pooling_kernel_size"], resample=3,
                 rescale_factor=1 / 255)
    if spec.get("image_size"):
        image["size"] = {"height": spec["image_size"], "width": spec["image_size"]}
    else:
        image["image_seq_length"] = spec["max_soft_tokens"]
        image["max_soft_tokens"] = spec["max_soft_tokens"]
        if spec.get("processor_size"):
            image["size"] = {"height": spec["processor_size"], "width": spec["processor_size"]}
    image = dict(sorted(image.items()))
    if spec["processor"] == "preprocessor":
        return "preprocessor_config.json", image
    video = dict(image)
    video["video_processor_type"] = "Gemma4VideoProcessor"
    video.pop("image_processor_type")
    video.pop("image_seq_length", None)
    video["do_normalize"] = True
    video["do_sample_frames"] = True
    video["num_frames"] = 32
    if "max_soft_tokens" in video:
        video["max_soft_tokens"] = spec.get("video_soft_tokens", max(1, spec["max_soft_tokens"] // 4))
    if spec.get("video_processor"):
        video["video_processor_type"] = spec["video_processor"]
    return "processor_config.json", {
        "image_processor": image, "image_seq_length": spec.get("max_soft_tokens", 280),
        "processor_class": "Gemma4Processor", "video_processor": dict(sorted(video.items()))}


def dump_json(path, obj):
    with open(path, "w") as f:
        json.dump(obj, f, indent=2)
        f.write("\n")


# ----------------------------------------------------------------------------------
# safetensors, written by hand: any dtype, any order, streamed
# ----------------------------------------------------------------------------------

ITEM = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I32": 4}


def encode(arr, dtype):
    if dtype == "BF16":
        return f32_to_bf16_bits(arr).tobytes()
    return np.ascontiguousarray(arr, {"F32": "<f4", "F16": "<f2", "U8": "u1", "I32": "<i4"}[dtype]).tobytes()


def stored_value(arr, dtype):
    """The float32 value a reader sees after the rounding of the stored dtype."""
    arr = np.ascontiguousarray(arr, np.float32)
    if dtype == "BF16":
        return bf16_bits_to_f32(f32_to_bf16_bits(arr)).reshape(arr.shape)
    if dtype == "F16":
        return arr.astype(np.float16).astype(np.float32)
    return arr


def write_safetensors(path, items, metadata=None):
    """items: list of (name, dtype, shape, callable giving bytes-like chunks)."""
    head, off = {}, 0
    if metadata:
        head["__metadata__"] = metadata
    for name, dtype, shape, _ in items:
        n = int(np.prod(shape, dtype=np.int64)) * ITEM[dtype]
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [off, off + n]}
        off += n
    h = json.dumps(head, separators=(",", ":")).encode()
    h += b" " * (-len(h) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(h)))
        f.write(h)
        for _, _, _, chunks in items:
            for c in chunks():
                f.write(c)
    return off


def golden_item(name, arr):
    arr = np.asarray(arr)
    dtype = {"float32": "F32", "int32": "I32", "uint8": "U8"}[arr.dtype.name]
    return name, dtype, arr.shape, lambda: [encode(arr, dtype)]


# ----------------------------------------------------------------------------------
# Transformers
# ----------------------------------------------------------------------------------

def hf_class(layout):
    import transformers
    if layout == "gemma4":
        return transformers.Gemma4ForConditionalGeneration
    if layout == "tower":
        return transformers.Gemma4VisionModel
    from transformers.models.embedding_gemma2 import EmbeddingGemma2Model
    return EmbeddingGemma2Model


def hf_layout(folder, layout):
    """Names and shapes Transformers itself writes for this config."""
    import torch
    from safetensors import safe_open
    cls = hf_class(layout)
    with open(os.path.join(folder, "config.json")) as f:
        cfg = cls.config_class.from_dict(json.load(f))
    torch.manual_seed(0)
    model = cls(cfg).float()
    out = {}
    with tempfile.TemporaryDirectory() as d:
        model.save_pretrained(d)
        for fn in sorted(os.listdir(d)):
            if fn.endswith(".safetensors"):
                with safe_open(os.path.join(d, fn), "np") as s:
                    for k in s.keys():
                        out[k] = s.get_tensor(k)
    return out


def hf_load(folder, layout):
    import torch
    cls = hf_class(layout)
    model, info = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                      output_loading_info=True)
    bad = {k: v for k, v in info.items() if v and k != "error_msgs"}
    if bad or info.get("error_msgs"):
        raise SystemExit(f"{folder}: Transformers did not load it cleanly: {info}")
    return model.eval()


def hf_tower(model, layout):
    """(tower, embedder or None) of a loaded model."""
    if layout == "tower":
        return model, None
    m = model.model if layout == "gemma4" else model
    return m.vision_tower, m.embed_vision


PROBES = ("input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
          "self_attn.q_norm", "self_attn.k_norm", "self_attn.v_norm", "self_attn.o_proj",
          "post_attention_layernorm", "pre_feedforward_layernorm", "mlp.gate_proj",
          "mlp.up_proj", "mlp.down_proj", "post_feedforward_layernorm")


def hf_run(tower, embed, patches, positions, probe_layer=None, stats=None):
    """One unpadded frame through Transformers; dict of float32 arrays."""
    import torch
    from transformers.models.gemma4 import modeling_gemma4 as mg
    out, hooks, n = {}, [], patches.shape[0]

    def keep(key, pick=lambda o: o):
        def hook(_m, _i, o):
            o = pick(o)
            o = o[0] if isinstance(o, tuple) else o
            out[key] = o.detach()[0].reshape(n, -1).float().numpy().copy()
        return hook

    hooks.append(tower.patch_embedder.register_forward_hook(keep("hidden.embed")))
    for i, layer in enumerate(tower.encoder.layers):
        hooks.append(layer.register_forward_hook(keep(f"hidden.{i}")))
        if i == probe_layer:
            for name in PROBES:
                hooks.append(layer.get_submodule(name).register_forward_hook(keep(f"layer{i}.{name}")))
    pooled = []
    hooks.append(tower.pooler.register_forward_hook(lambda m, a, o: pooled.append(o)))
    if stats is not None:
        hooks += stats.attach(tower)
    pv = torch.from_numpy(patches)[None]
    pos = torch.from_numpy(positions.astype(np.int64))[None]
    with torch.no_grad():
        last = tower(pixel_values=pv, pixel_position_ids=pos).last_hidden_state
        if probe_layer is not None:
            cos, sin = tower.encoder.rotary_emb(pv, pos)
            d = tower.config.head_dim
            for s in "qk":
                x = torch.from_numpy(out[f"layer{probe_layer}.self_attn.{s}_norm"]).view(1, n, -1, d)
                out[f"layer{probe_layer}.self_attn.{s}_rope"] = \
                    mg.apply_multidimensional_rope(x, cos, sin, pos)[0].reshape(n, -1).numpy()
        proj = embed(inputs_embeds=last) if embed is not None else None
    for h in hooks:
        h.remove()
    hid, mask = pooled[0]
    out["pooled"] = hid[mask].float().numpy().reshape(-1, hid.shape[-1])
    out["features"] = last.float().numpy().reshape(-1, last.shape[-1])
    out["features_embedding"] = l2_mean(out["features"])
    if proj is not None:
        out["projected"] = proj.float().numpy().reshape(-1, proj.shape[-1])
        out["embedding"] = l2_mean(out["projected"])
    return out


def l2_mean(rows):
    """Mean over the soft tokens, then L2 norm, in double; the frame vector."""
    m = rows.astype(np.float64).mean(0)
    return (m / math.sqrt(float((m * m).sum()))).astype(np.float32)


class Stats:
    """Sanity figures: hidden RMS, attention logits and entropy, clipped share."""

    def __init__(self):
        self.rows = []

    def attach(self, tower):
        import torch
        hooks = []
        for i, layer in enumerate(tower.encoder.layers):
            rec = {"layer": i, "clip": {}}
            self.rows.append(rec)

            def layer_hook(_m, _i, o, rec=rec):
                o = o[0] if isinstance(o, tuple) else o
                rec["rms"] = float(o.double().pow(2).mean().sqrt())
            hooks.append(layer.register_forward_hook(layer_hook))

            def attn_hook(m, args, kwargs, o, rec=rec):
                h = kwargs.get("hidden_states", args[0] if args else None)
                cos, sin = kwargs["position_embeddings"]
                pos = kwargs["position_ids"]
                from transformers.models.gemma4 import modeling_gemma4 as mg
                shp = (*h.shape[:-1], -1, m.head_dim)
                q = mg.apply_multidimensional_rope(m.q_norm(m.q_proj(h).view(shp)), cos, sin, pos)
                k = mg.apply_multidimensional_rope(m.k_norm(m.k_proj(h).view(shp)), cos, sin, pos)
                k = k.repeat_interleave(m.num_key_value_groups, dim=2)
                a = torch.einsum("bqhd,bkhd->bhqk", q[:, :64], k)
                rec["logit_std"] = float(a.std(-1).mean())
                pr = a.softmax(-1)
                ent = -(pr * pr.clamp_min(1e-30).log()).sum(-1).mean()
                rec["entropy"] = float(ent / math.log(a.shape[-1]))
                rec["max_prob"] = float(pr.max(-1).values.mean())
            hooks.append(layer.self_attn.register_forward_hook(attn_hook, with_kwargs=True))
            for mod, short in LINEARS:
                lin = layer.get_submodule(mod)
                if not lin.use_clipped_linears:
                    continue

                def pre(m, args, rec=rec, short=short):
                    x = args[0]
                    rec["clip"][short] = [float(((x < m.input_min) | (x > m.input_max)).float().mean())]

                def post(m, _a, o, rec=rec, short=short):
                    rec["clip"][short].append(
                        float(((o <= m.output_min) | (o >= m.output_max)).float().mean()))
                hooks.append(lin.register_forward_pre_hook(pre))
                hooks.append(lin.register_forward_hook(post))
        return hooks

    def print(self):
        for r in self.rows:
            clip = " ".join(f"{k}={v[0]:.3f}/{v[1]:.3f}" for k, v in r["clip"].items())
            print(f"    layer {r['layer']:2d} rms {r['rms']:.3f} logit std {r['logit_std']:.2f} "
                  f"entropy {r['entropy']:.2f} max prob {r['max_prob']:.3f} {clip}")


# ----------------------------------------------------------------------------------
# Building a case
# ----------------------------------------------------------------------------------

def tensor_dtype(policy, name, index):
    """MIXED: bounds F32, norms BF16, linears F16 or BF16 alternately."""
    if policy != "MIXED":
        return policy
    if name.rsplit(".", 1)[-1] in BOUNDS:
        return "F32"
    if "norm" in name:
        return "BF16"
    return "F16" if index % 2 else "BF16"


def write_case_checkpoint(spec, folder, seed):
    """config, processor and weights of a small case; returns float32 stored values by name."""
    layout, policy = spec["layout"], spec["dtype"]
    os.makedirs(folder, exist_ok=True)
    torch_name = {"F32": "float32", "F16": "float16"}.get(policy, "bfloat16")
    dump_json(os.path.join(folder, "config.json"), config_json(spec, torch_name))
    pname, pjson = processor_json(spec)
    dump_json(os.path.join(folder, pname), pjson)
    vc = vision_config(**spec["vision"])
    want = hf_layout(folder, layout)
    items, index = [], 0
    for canonical, shape, scale, offset in vision_tensors(vc, spec["output_dim"]):
        name = disk_name(canonical, layout)
        if name is None:
            continue
        arr = det_values(canonical, int(np.prod(shape, dtype=np.int64)), scale, offset, seed).reshape(shape)
        if name.rsplit(".", 1)[-1] in BOUNDS and spec.get("infinite_bounds", lambda n: False)(name):
            arr = np.float32(-np.inf if name.endswith("min") else np.inf).reshape(shape)
        if tuple(want.pop(name).shape) != tuple(shape):
            raise SystemExit(f"{name}: shape is not Transformers'")
        items.append((name, tensor_dtype(policy, name, index), arr))
        index += 1
    left = [k for k in want if "vision" in k or not k.startswith(("model.language_model.", "language_model."))]
    if left:
        raise SystemExit(f"tensors not covered: {left}")
    for name, arr in want.items():  # the sham language model
        items.append((name, "BF16" if policy != "F32" else "F32", arr))
    items.sort(key=lambda it: it[0])
    shards = spec.get("shards", 1)

    def write(path, part):
        write_safetensors(path, [(n, d, a.shape, (lambda a=a, d=d: [encode(a, d)])) for n, d, a in part],
                          {"format": "pt"})

    if shards == 1:
        write(os.path.join(folder, "model.safetensors"), items)
    else:
        total = sum(a.size * ITEM[d] for _, d, a in items)
        parts, acc = [[] for _ in range(shards)], 0
        for it in items:
            parts[min(acc * shards // total, shards - 1)].append(it)
            acc += it[2].size * ITEM[it[1]]
        wmap = {}
        for i, part in enumerate(parts):
            fn = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
            write(os.path.join(folder, fn), part)
            wmap.update({n: fn for n, _, _ in part})
        dump_json(os.path.join(folder, "model.safetensors.index.json"),
                  {"metadata": {"total_size": int(total)}, "weight_map": dict(sorted(wmap.items()))})


def official_patches(rgb, vc, budget):
    """Transformers' own image processor (Pillow backend); None if it refuses the budget."""
    from PIL import Image
    try:
        from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
        proc = Gemma4ImageProcessorPil(patch_size=vc["patch_size"], max_soft_tokens=budget,
                                       pooling_kernel_size=vc["pooling_kernel_size"])
    except ValueError:
        return None
    out = proc(Image.fromarray(rgb), return_tensors="np")
    n = int(out["num_soft_tokens_per_image"][0]) * vc["pooling_kernel_size"] ** 2
    return out["pixel_values"][0][:n], out["image_position_ids"][0][:n]


def build_case(name, spec, out, seed, verbose=True):
    import torch
    import transformers
    from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size
    folder = os.path.join(out, name)
    write_case_checkpoint(spec, folder, seed)
    vc = vision_config(**spec["vision"])
    model = hf_load(folder, spec["layout"])
    tower, embed = hf_tower(model, spec["layout"])
    P, k = vc["patch_size"], vc["pooling_kernel_size"]
    gold, notes = [], []
    for i, (w, h, budget) in enumerate(spec["frames"]):
        rgb = synth_frame(w, h, seed * 1000 + i)
        if budget is None:
            th = tw = spec["image_size"]
        else:
            th, tw = target_size(h, w, P, k, budget)
            assert (th, tw) == get_aspect_ratio_preserving_size(h, w, P, budget * k * k, k)
        resized = resize_frame(rgb, th, tw)
        patches, pos = patchify(resized, P)
        if budget is not None:
            off = official_patches(rgb, vc, budget)
            if off is not None:
                assert np.array_equal(off[0].astype(np.float32), patches) and np.array_equal(off[1], pos)
                notes.append(f"frame{i}: equals the official image processor")
        stats = Stats() if verbose and i == 0 else None
        res = hf_run(tower, embed, patches, pos, probe_layer=0 if i == 0 and spec.get("probes", True) else None,
                     stats=stats)
        # Padded to the budget, as the official processor does: the same result.
        if budget is not None:
            pad = budget * k * k - len(patches)
            if pad:
                pp = np.concatenate([patches, np.zeros((pad, patches.shape[1]), np.float32)])
                qq = np.concatenate([pos, np.full((pad, 2), -1, np.int32)])
                with torch.no_grad():
                    lp = tower(pixel_values=torch.from_numpy(pp)[None],
                               pixel_position_ids=torch.from_numpy(qq.astype(np.int64))[None]).last_hidden_state
                d = float(np.abs(lp.numpy() - res["features"]).max() / np.abs(res["features"]).max())
                assert d < 1e-5, d
                notes.append(f"frame{i}: padded by {pad} patches, relative diff {d:.1e}")
        if spec["layout"] != "tower":  # through the whole model's public entry point
            m = model.model if spec["layout"] == "gemma4" else model
            with torch.no_grad():
                f = m.get_image_features(torch.from_numpy(patches)[None],
                                         torch.from_numpy(pos.astype(np.int64))[None], return_dict=True)
            assert np.array_equal(torch.cat(list(f.pooler_output)).numpy(), res["projected"])
        assert res["pooled"].shape[0] == (th // P // k) * (tw // P // k)
        pre = f"frame{i}."
        gold += [golden_item(pre + "rgb", rgb), golden_item(pre + "resized", np.ascontiguousarray(resized)),
                 golden_item(pre + "patches", patches), golden_item(pre + "positions", pos),
                 golden_item(pre + "max_soft_tokens", np.array([budget or 0], np.int32))]
        gold += [golden_item(pre + kk, np.ascontiguousarray(v)) for kk, v in res.items()]
        if verbose:
            print(f"  {name} frame{i}: {w}x{h} -> {tw}x{th}, {len(patches)} patches, "
                  f"{len(res['pooled'])} soft tokens, features rms {np.sqrt((res['features'] ** 2).mean()):.3f}")
            if stats:
                stats.print()
    if verbose:
        for n in notes:
            print("   ", n)
    write_safetensors(os.path.join(folder, "golden.safetensors"), gold,
                      {"case": name, "seed": str(seed), "frames": str(len(spec["frames"])),
                       "policy": "square" if spec.get("image_size") else "aspect",
                       "reference": f"transformers {transformers.__version__} float32 eager"})
    return folder


# ----------------------------------------------------------------------------------
# Full size
# ----------------------------------------------------------------------------------

def write_full(kind, folder, dtype, seed=0):
    spec = FULL[kind]
    os.makedirs(folder, exist_ok=True)
    st = {"f32": "F32", "bf16": "BF16"}[dtype]
    dump_json(os.path.join(folder, "config.json"),
              config_json(spec, "float32" if st == "F32" else "bfloat16"))
    pname, pjson = processor_json(spec)
    dump_json(os.path.join(folder, pname), pjson)
    vc = vision_config(**spec["vision"])
    items = []
    for canonical, shape, scale, offset in vision_tensors(vc, spec["output_dim"]):
        n = int(np.prod(shape, dtype=np.int64))

        def chunks(canonical=canonical, n=n, scale=scale, offset=offset):
            for a in range(0, n, 1 << 22):
                v = det_values(canonical, min(1 << 22, n - a), scale, offset, seed, start=a)
                yield f32_to_bf16_bits(v).tobytes() if st == "BF16" else v.tobytes()
        items.append((disk_name(canonical, spec["layout"]), st, shape, chunks))
    t = time.time()
    size = write_safetensors(os.path.join(folder, "model.safetensors"), items, {"format": "pt"})
    print(f"{kind} {dtype}: {size / 1e6:.1f} MB of tensors in {time.time() - t:.1f} s")


def load_full_tower(folder, kind, dtype_torch=None):
    """Vision tower and embedder alone, from a full-size checkpoint folder."""
    import torch
    from safetensors.torch import load_file
    from transformers import Gemma4TextConfig, Gemma4VisionConfig, Gemma4VisionModel
    from transformers.models.gemma4.modeling_gemma4 import Gemma4MultimodalEmbedder
    spec = FULL[kind]
    vc = {k: v for k, v in vision_config(**spec["vision"]).items() if not k.startswith("_")}
    vc.pop("model_type")
    vc.pop("dtype")
    cfg = Gemma4VisionConfig(**vc)
    cfg._attn_implementation = "eager"
    with torch.device("meta"):
        tower = Gemma4VisionModel(cfg)
        embed = Gemma4MultimodalEmbedder(cfg, Gemma4TextConfig(hidden_size=spec["output_dim"],
                                                              layer_types=["full_attention"],
                                                              num_hidden_layers=1))
    sd = {k: v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()}
    pre = PREFIX[spec["layout"]]
    cut = lambda p: {k[len(p):]: v for k, v in sd.items() if k.startswith(p)}
    tower.load_state_dict(cut(pre + "vision_tower."), assign=True)
    embed.load_state_dict(cut(pre + "embed_vision."), assign=True)
    tower.encoder.rotary_emb = type(tower.encoder.rotary_emb)(cfg)  # its tables are not stored
    return tower.eval(), embed.eval()


def golden_full(folder, size=(768, 768), out=None, seed=0):
    import torch
    import transformers
    with open(os.path.join(folder, "config.json")) as f:
        c = json.load(f)
    kind = next(k for k, s in FULL.items()
                if s["output_dim"] == c["text_config"]["hidden_size"]
                and s["vision"]["num_hidden_layers"] == c["vision_config"]["num_hidden_layers"])
    spec = FULL[kind]
    vc = vision_config(**spec["vision"])
    P, k = vc["patch_size"], vc["pooling_kernel_size"]
    w, h = size
    rgb = synth_frame(w, h, seed)
    th, tw = (spec["image_size"],) * 2 if spec.get("image_size") else target_size(h, w, P, k, spec["max_soft_tokens"])
    patches, pos = patchify(resize_frame(rgb, th, tw), P)
    tower, embed = load_full_tower(folder, kind)
    stats = Stats()
    t = time.time()
    res = hf_run(tower, embed, patches, pos, stats=stats)
    dt = time.time() - t
    print(f"{kind} {w}x{h}: {len(patches)} patches, {dt:.1f} s on {torch.get_num_threads()} thread(s)")
    stats.print()
    n, T = len(patches), len(res["features"])
    prow = np.unique(np.array([0, 1, n // 3, n - 1], np.int32))
    trow = np.unique(np.array([0, 1, T // 4, T // 2, 3 * T // 4, T - 1], np.int32))
    items = [golden_item("patch_rows", prow), golden_item("token_rows", trow),
             golden_item("size", np.array([w, h, tw, th], np.int32)),
             golden_item("patches", patches[prow])]
    for key, v in res.items():
        if key.startswith("hidden."):
            items.append(golden_item(key, np.ascontiguousarray(v[prow])))
            items.append(golden_item(key + ".rms", np.array([np.sqrt((v.astype(np.float64) ** 2).mean())], np.float32)))
        elif key in ("pooled", "features", "projected"):
            items.append(golden_item(key, np.ascontiguousarray(v[trow])))
            items.append(golden_item(key + ".rms", np.array([np.sqrt((v.astype(np.float64) ** 2).mean())], np.float32)))
        else:
            items.append(golden_item(key, v))
    out = out or os.path.join(folder, "golden_full.safetensors")
    write_safetensors(out, items, {"kind": kind, "frame_seed": str(seed), "weights_seed": "0",
                                   "stored_dtype": c["dtype"],
                                   "reference": f"transformers {transformers.__version__} float32 eager"})
    print(f"wrote {os.path.getsize(out) / 1e3:.0f} kB")


def main(argv=None):
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", help="folder for the small cases")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--case", nargs="+", choices=sorted(CASES))
    ap.add_argument("--write-checkpoint", nargs=2, metavar=("KIND", "DIR"), help=f"one of {', '.join(FULL)}")
    ap.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    ap.add_argument("--golden-full", metavar="DIR")
    ap.add_argument("--golden-out", metavar="FILE")
    ap.add_argument("--frame-size", default="768x768")
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args(argv)
    if a.out or a.golden_full:
        import torch
        torch.set_num_threads(a.threads)
    if a.out:
        for name in a.case or CASES:
            build_case(name, CASES[name], a.out, a.seed)
    if a.write_checkpoint:
        kind, folder = a.write_checkpoint
        if kind not in FULL:
            ap.error(f"KIND is one of {', '.join(FULL)}")
        write_full(kind, folder, a.dtype)
    if a.golden_full:
        golden_full(a.golden_full, tuple(int(v) for v in a.frame_size.split("x")), a.golden_out)
    if not (a.out or a.write_checkpoint or a.golden_full):
        ap.print_help()


if __name__ == "__main__":
    main()
