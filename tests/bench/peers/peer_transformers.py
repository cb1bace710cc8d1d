# SPDX-License-Identifier: Apache-2.0
"""Hugging Face Transformers: Gemma4VisionModel and its embedder on torch's CPU backend."""
import harness
import inputs

p = harness.parser(__doc__)
p.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
p.add_argument("--compile", action="store_true", help="torch.compile (inductor, C++)")
a, c = harness.setup(p)

import torch
from transformers.models.gemma4.configuration_gemma4 import Gemma4TextConfig, Gemma4VisionConfig
from transformers.models.gemma4.modeling_gemma4 import Gemma4MultimodalEmbedder, Gemma4VisionModel

torch.set_num_threads(a.threads)
torch.set_grad_enabled(False)


def build(dtype):
    vc = Gemma4VisionConfig(
        hidden_size=c["D"], intermediate_size=c["F"], num_hidden_layers=c["layers"],
        num_attention_heads=c["H"], num_key_value_heads=c["G"], head_dim=c["d"],
        patch_size=c["P"], pooling_kernel_size=c["k"], position_embedding_size=c["table"],
        use_clipped_linears=c["clip"], standardize=False)
    vc._attn_implementation = a.attention
    torch.set_default_dtype(dtype)
    tower = Gemma4VisionModel(vc).eval()
    embed = Gemma4MultimodalEmbedder(vc, Gemma4TextConfig(hidden_size=c["out"])).eval()
    torch.set_default_dtype(torch.float32)
    state = {}
    for prefix, module in (("model.vision_tower.", tower), ("model.embed_vision.", embed)):
        state.update({prefix + k: v for k, v in module.state_dict(keep_vars=True).items()})
    for name, w in inputs.weights(c, a.seed, a.qk_norm):
        state.pop(name).data.copy_(torch.from_numpy(w) if w.ndim else torch.tensor(float(w)))
    assert not state, f"weights left unset: {sorted(state)[:5]}"
    return tower, embed


tower, embed = build(torch.bfloat16 if a.precision == "bf16" else torch.float32)
if a.precision == "int8":  # dynamic: qint8 weights, uint8 activations, of layers and projection
    from torch.ao.quantization import quantize_dynamic
    torch.backends.quantized.engine = "x86"
    tower.encoder = quantize_dynamic(tower.encoder, {torch.nn.Linear}, dtype=torch.qint8)
    embed = quantize_dynamic(embed, {torch.nn.Linear}, dtype=torch.qint8)


def forward(px, pos):
    return embed(tower(pixel_values=px, pixel_position_ids=pos).last_hidden_state)


run = torch.compile(forward, dynamic=False) if a.compile else forward


def encode(px, pos):
    return run(torch.from_numpy(px), torch.from_numpy(pos)).float().numpy()


harness.measure(a, c, "transformers-" + ("compile" if a.compile else a.attention), encode)
