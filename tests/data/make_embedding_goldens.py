#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small random EmbeddingGemma 2 checkpoint and its goldens, by Hugging Face Transformers.

    make_embedding_goldens.py --out embedding_case

Writes into DIR (about 1 MB):
  config.json model.safetensors tokenizer.json tokenizer_config.json chat_template.jinja
  processor_config.json modules.json 1_Pooling/config.json 2_Normalize/config.json
  config_sentence_transformers.json sentence_bert_config.json      the released file layout
  goldens.safetensors                                              inputs and expected outputs
  goldens.json                                                     what each golden tensor is

The model has the released architecture at toy sizes: 4 text layers (sliding, full, sliding,
full; window radius 3), different head_dim / kv heads on full layers, PLE width != hidden width,
2 vision layers, non-trivial norm weights and layer scalars, no audio tower. Everything is float32.
Needs torch, transformers 5.23, tokenizers, safetensors, pillow, numpy. torchvision is not
needed: images and frames go through Gemma4ImageProcessorPil (Pillow bicubic), one frame at a time.
"""
import argparse
import json
import os
import pathlib

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import GemmaTokenizer
from transformers.models.embedding_gemma2 import (
    EmbeddingGemma2Config,
    EmbeddingGemma2Model,
    EmbeddingGemma2TextConfig,
)
from transformers.models.gemma4.configuration_gemma4 import Gemma4VisionConfig
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

PATCH, POOL, IMAGE_TOKENS, VIDEO_TOKENS = 4, 3, 140, 70   # released: 16, 3, 280, 140
MRL_DIM = 16                                              # released: 512, 256, 128 of 768

EXTRA = {
    "image_token": "<|image|>", "video_token": "<|video|>", "boi_token": "<|image>", "eoi_token": "<image|>",
    "audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>",
}
PROMPTS = {
    "query": "task: search result | query: ", "document": "title: none | text: ",
    "STS": "task: sentence similarity | query: ",
}
CHAT_TEMPLATE = (  # the released chat_template.jinja: system text first, then the parts in the caller's order
    "{%- for msg in messages if msg.get('role') == 'system' -%}{%- if msg.get('content') is string -%}"
    "{{ msg['content'] }}{%- else -%}{%- for item in msg['content'] if item.get('type') == 'text' -%}"
    "{{ item['text'] }}{%- endfor -%}{%- endif -%}{%- endfor -%}"
    "{%- for msg in messages if msg.get('role') != 'system' -%}{%- if msg.get('content') is string -%}"
    "{{ msg['content'] }}{%- else -%}"
    "{%- set existing_text = msg['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join -%}"
    "{%- set has_manual_placeholders = ('<|image|>' in existing_text) or ('<|video|>' in existing_text) or "
    "('<|audio|>' in existing_text) -%}"
    "{%- for item in msg['content'] -%}{%- if item.get('type') == 'text' -%}{{ item['text'] }}"
    "{%- elif not has_manual_placeholders and item.get('type') == 'image' -%}<|image|>"
    "{%- elif not has_manual_placeholders and item.get('type') == 'video' -%}<|video|>"
    "{%- elif not has_manual_placeholders and item.get('type') == 'audio' -%}<|audio|>"
    "{%- endif -%}{%- endfor -%}{%- endif -%}{%- endfor -%}"
)
TRAIN = [
    "task: search result | query: a red car on the street", "title: none | text: two dogs run on the beach",
    "task: sentence similarity | query: the cat sleeps", "a person opens the door at night",
    "the red car stops at the traffic light", "the dog and the cat play in the street",
    "title: none | text: a boat near the beach in the evening", "snow falls on the quiet street",
]
TEXTS = [
    PROMPTS["query"] + "a red car at night",
    PROMPTS["document"] + "two dogs and a cat play on the beach near the boat",
    PROMPTS["STS"] + "Grüße aus dem Café \U0001f697 日本",          # byte fallback
    "the  red   car\nstops\n\n\tat the <|image> light <eos> end ",  # runs of spaces, newlines, special tokens in text
    "",
]


def build_tokenizer():
    """Same kind as the released one: BPE with byte fallback, ' ' -> U+2581, <bos> text <eos>."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    reserved = specials + list(EXTRA.values()) + [f"<0x{b:02X}>" for b in range(256)]
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.normalizer = normalizers.Replace(" ", "\u2581")
    tok.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")   # for training only
    trainer = trainers.BpeTrainer(
        vocab_size=len(reserved) + 190, special_tokens=reserved, show_progress=False,
        initial_alphabet=list("\u2581\nabcdefghijklmnopqrstuvwxyz:|"),
    )
    tok.train_from_iterator(TRAIN * 4 + ["\u2581\u2581", "a\u2581\u2581\u2581b"] * 8, trainer)
    model = json.loads(tok.to_str())["model"]
    return GemmaTokenizer(
        vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], add_bos_token=True, add_eos_token=True,
        padding_side="right", extra_special_tokens=EXTRA, chat_template=CHAT_TEMPLATE,
    )


def build_model(tok):
    vocab = (len(tok) + 7) // 8 * 8
    text = EmbeddingGemma2TextConfig(
        vocab_size=vocab, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, global_head_dim=24, num_global_key_value_heads=1,
        sliding_window=3, sliding_window_pattern=2, hidden_size_per_layer_input=20, embedding_dim=40,
        max_position_embeddings=8192,
    )
    vision = Gemma4VisionConfig(
        hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        head_dim=8, patch_size=PATCH, pooling_kernel_size=POOL, position_embedding_size=448,
    )
    ids = {k: tok.convert_tokens_to_ids(v) for k, v in EXTRA.items()}
    cfg = EmbeddingGemma2Config(
        text_config=text, vision_config=vision, audio_config=None,
        boi_token_id=ids["boi_token"], eoi_token_id=ids["eoi_token"], image_token_id=ids["image_token"],
        video_token_id=ids["video_token"], audio_token_id=ids["audio_token"], boa_token_id=ids["boa_token"],
        eoa_token_index=ids["eoa_token"],
    )
    model = EmbeddingGemma2Model(cfg).eval().float()
    gen = torch.Generator().manual_seed(20260)
    with torch.no_grad():
        for name, t in sorted(model.state_dict().items()):
            r = torch.randn(t.shape, generator=gen)
            if name.endswith("layer_scalar"):
                t.copy_(0.6 + 0.5 * torch.rand(t.shape, generator=gen))
            elif "norm" in name:
                t.copy_(1.0 + 0.25 * r)
            elif name.endswith("position_embedding_table"):
                t.copy_(0.3 * r)
            elif name.endswith("embed_tokens.weight"):
                t.copy_(r / t.shape[-1] ** 0.5)
            else:
                t.copy_(r / t.shape[-1] ** 0.5)
    return model


def picture(w, h, seed):
    """A smooth coloured gradient with a block and some noise: exact 8-bit RGB, no file decoding involved."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    img = np.stack([255 * x / w, 255 * y / h, 127 + 120 * np.sin((x + 2 * y + 9 * seed) / 7.0)], -1)
    img[h // 4: h // 2, w // 3: w // 2] = (250, 20 * (seed % 10), 40)
    return np.clip(img + rng.normal(0, 12, img.shape), 0, 255).astype(np.uint8)


def preprocess(frames, max_soft_tokens):
    """[N,H,W,3] uint8 -> padded patches, positions, soft tokens per frame."""
    proc = Gemma4ImageProcessorPil(patch_size=PATCH, pooling_kernel_size=POOL, max_soft_tokens=max_soft_tokens)
    out = proc([Image.fromarray(f) for f in frames], return_tensors="pt")
    return out["pixel_values"].float(), out["image_position_ids"], [int(n) for n in out["num_soft_tokens_per_image"]]


def pool(last_hidden_state, mask):
    m = mask.unsqueeze(-1).to(last_hidden_state.dtype)
    return (last_hidden_state * m).sum(1) / m.sum(1).clamp(min=1e-9)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    out = pathlib.Path(ap.parse_args().out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)

    tok = build_tokenizer()
    build_model(tok).save_pretrained(out)
    tok.save_pretrained(out)
    weights = load_file(out / "model.safetensors")   # the file's own tensor names, in the goldens' json
    processor_config = {
        "audio_ms_per_token": 40, "audio_seq_length": 280, "image_seq_length": IMAGE_TOKENS,
        "processor_class": "EmbeddingGemma2Processor",
        "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"},
        "image_processor": {
            "image_processor_type": "Gemma4ImageProcessor", "do_convert_rgb": True, "do_normalize": False,
            "do_rescale": True, "do_resize": True, "image_mean": [0.0] * 3, "image_std": [1.0] * 3,
            "image_seq_length": IMAGE_TOKENS, "max_soft_tokens": IMAGE_TOKENS, "patch_size": PATCH,
            "pooling_kernel_size": POOL, "resample": 3, "rescale_factor": 1 / 255,
        },
        "video_processor": {
            "video_processor_type": "EmbeddingGemma2VideoProcessor", "add_timestamps": False, "do_convert_rgb": True,
            "do_normalize": False, "do_rescale": True, "do_resize": True, "do_sample_frames": True, "fps": 1,
            "image_mean": [0.0] * 3, "image_std": [1.0] * 3, "max_frames": 32, "max_soft_tokens": VIDEO_TOKENS,
            "overflow_strategy": "uniform", "patch_size": PATCH, "pooling_kernel_size": POOL, "resample": 3,
            "rescale_factor": 1 / 255, "return_metadata": False,
        },
    }
    st = "sentence_transformers."
    for name, data in {
        "processor_config.json": processor_config,
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": st + "base.modules.transformer.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": st + "sentence_transformer.modules.pooling.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": st + "base.modules.normalize.Normalize"},
        ],
        "1_Pooling/config.json": {"embedding_dimension": 40, "pooling_mode": "mean", "include_prompt": True},
        "2_Normalize/config.json": {},
        "config_sentence_transformers.json": {
            "default_prompt_name": None, "model_type": "SentenceTransformer", "prompts": PROMPTS,
            "similarity_fn_name": "cosine",
        },
        "sentence_bert_config.json": {
            "transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
            "modality_config": {m: {"method": "forward", "method_output_name": "last_hidden_state"}
                                for m in ("text", "image", "video")},
        },
    }.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    # Reload from disk: what is measured is what the files hold.
    model = EmbeddingGemma2Model.from_pretrained(out, dtype=torch.float32).eval()
    tok = GemmaTokenizer.from_pretrained(out)
    gold, notes = {}, {}

    def put(name, tensor, note):
        gold[name] = torch.as_tensor(tensor).contiguous()
        notes[name] = note

    def embed(tag, text, note, **media):
        enc = tok(text, return_tensors="pt")
        with torch.no_grad():
            res = model(**enc, **media)
        vec = pool(res.last_hidden_state, enc["attention_mask"])[0]
        unit = torch.nn.functional.normalize(vec, dim=-1)
        put(f"{tag}.input_ids", enc["input_ids"][0].to(torch.int32), f"{note}: token ids, <bos> and <eos> included")
        put(f"{tag}.embedding", unit, "mean over all tokens, L2-normalised")
        put(f"{tag}.embedding_{MRL_DIM}", torch.nn.functional.normalize(vec[:MRL_DIM], dim=-1),
            f"first {MRL_DIM} components, L2-normalised again")
        return enc, res

    # Text.
    states = []
    hooks = [layer.register_forward_hook(lambda m, a, o: states.append(o[0].detach().clone()))
             for layer in model.language_model.layers]
    for i, text in enumerate(TEXTS):
        states.clear()
        enc, res = embed(f"text{i}", text, "text")
        put(f"text{i}.utf8", torch.tensor(list(text.encode()) or [0], dtype=torch.uint8)[: len(text.encode())],
            "the input string, UTF-8 bytes")
        if i == 1:
            lm = model.language_model
            with torch.no_grad():
                e = lm.embed_tokens(enc["input_ids"])
                put("text1.inputs_embeds", e[0], "embed_tokens * sqrt(hidden)")
                put("text1.per_layer_inputs", lm.ple(e)[0], "PLE signal [tokens, layers, width]")
            for j, h in enumerate(states):
                put(f"text1.layer{j}", h, f"residual stream after layer {j}, layer_scalar applied")
            put("text1.last_hidden_state", res.last_hidden_state[0], "after final norm and embedding_projection")

    for hook in hooks:
        hook.remove()

    # Batch of texts with right padding must give the same vectors.
    enc = tok(TEXTS[:4], padding=True, return_tensors="pt")
    with torch.no_grad():
        vec = pool(model(**enc).last_hidden_state, enc["attention_mask"])
    unit = torch.nn.functional.normalize(vec, dim=-1)
    worst = max((unit[i] - gold[f"text{i}.embedding"]).abs().max().item() for i in range(4))
    assert worst < 1e-5, worst

    # Image: one picture, alone and with a prompt. The prompt comes first, then the parts in the caller's order.
    boi, eoi, img_tok, vid_tok = (EXTRA[k] for k in ("boi_token", "eoi_token", "image_token", "video_token"))
    rgb = picture(61, 45, 3)
    px, pos, n = preprocess([rgb], IMAGE_TOKENS)
    block = boi + img_tok * n[0] + eoi
    put("image.rgb", rgb, "input picture [H, W, 3] 8-bit")
    used = int((pos[0, :, 0] >= 0).sum())
    put("image.patches", px[0, :used], "patches after resize and /255, without the padding")
    put("image.positions", pos[0, :used].to(torch.int32), "(x, y) of each patch")
    media = {"pixel_values": px, "image_position_ids": pos}
    _, res = embed("image", block, "image alone", **media)
    put("image.soft_tokens", res.image_hidden_states, "embed_vision output, one row per soft token")
    embed("image_document", PROMPTS["document"] + block, "document prompt, then the image", **media)
    embed("image_text", PROMPTS["query"] + block + "a red car", "query prompt, image, text", **media)
    embed("text_image", PROMPTS["query"] + "a red car" + block, "query prompt, text, image", **media)
    bad = tok("the " + img_tok + " car", return_tensors="pt")
    with torch.no_grad():
        vec = pool(model(**bad).last_hidden_state, bad["attention_mask"])[0]
    put("stray.input_ids", bad["input_ids"][0].to(torch.int32), "a placeholder id without media: its row is <pad>'s")
    put("stray.embedding", torch.nn.functional.normalize(vec, dim=-1), "mean over all tokens, L2-normalised")

    # Video: three frames, one block of video tokens per frame, nothing between the blocks.
    frames = np.stack([picture(40, 30, s) for s in (11, 12, 13)])
    px, pos, n = preprocess(list(frames), VIDEO_TOKENS)
    put("video.rgb", frames, "input frames [N, H, W, 3] 8-bit")
    media = {"pixel_values_videos": px, "video_position_ids": pos, "num_frames_per_video": torch.tensor([3])}
    embed("video", "".join(boi + vid_tok * k + eoi for k in n), "video of three frames", **media)
    stamps = " ".join(f"00:{s:02d} {boi}{vid_tok * k}{eoi}" for s, k in enumerate(n))
    embed("video_timestamps", stamps, "same frames, add_timestamps=true at 1 fps", **media)

    save_file(gold, out / "goldens.safetensors")
    info = {"tensors": notes, "texts": TEXTS, "prompts": PROMPTS, "weights": {k: list(v.shape) for k, v in sorted(weights.items())}}
    (out / "goldens.json").write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n")
    for f in out.rglob("*.safetensors"):
        f.chmod(0o644)
    total = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{len(gold)} golden tensors, {total / 1e6:.2f} MB in all; batch against single: max difference {worst:.1e}")


if __name__ == "__main__":
    main()
