# SPDX-License-Identifier: Apache-2.0
"""KerasHub's Gemma4VisionEncoder (f32 only), on the TensorFlow or the torch backend."""
import os

import harness
import inputs

p = harness.parser(__doc__, ("f32",))
p.add_argument("--backend", choices=("tensorflow", "torch", "jax"), default="tensorflow")
p.add_argument("--mode", choices=("graph", "eager"), default="graph",
               help="graph: model.predict_on_batch (compiled on TensorFlow); eager: model(...)")
a, c = harness.setup(p)
os.environ.update(KERAS_BACKEND=a.backend, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="",
                  TF_NUM_INTRAOP_THREADS=str(a.threads), TF_NUM_INTEROP_THREADS="1")

if a.backend == "tensorflow":
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(a.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
elif a.backend == "torch":
    import torch
    torch.set_num_threads(a.threads)
    torch.set_grad_enabled(False)
import keras
import keras_hub
import numpy as np
from keras_hub.src.utils.transformers.convert_gemma4 import _convert_vision_encoder

encoder = keras_hub.models.Gemma4VisionEncoder(
    image_size=max(a.width, a.height), patch_size=c["P"], num_heads=c["H"],
    num_key_value_heads=c["G"], hidden_dim=c["D"], num_layers=c["layers"],
    intermediate_dim=c["F"], head_dim=c["d"], output_dim=c["out"], pool_size=c["k"],
    position_embedding_size=c["table"], use_clipped_linears=c["clip"], standardize=False,
    dtype="float32")


class Loader:
    """Stands in for KerasHub's safetensors loader, so that its own converter places the weights."""

    def __init__(self, tensors):
        self.tensors = tensors

    def port_weight(self, keras_variable, hf_weight_key, hook_fn=None):
        w = self.tensors.pop(hf_weight_key)
        if hook_fn:
            w = hook_fn(w, list(keras_variable.shape))
        keras_variable.assign(np.asarray(w, np.float32))


loader = Loader(dict(inputs.weights(c, a.seed, a.qk_norm)))
_convert_vision_encoder(encoder, loader, {"vision_config": {"standardize": False}})
assert not loader.tensors, f"unused weights: {sorted(loader.tensors)[:5]}"


def encode(px, pos):
    x = {"pixel_values": px[None], "pixel_position_ids": pos[None].astype(np.int32)}
    y = encoder.predict_on_batch(x) if a.mode == "graph" else encoder(x, training=False)
    return keras.ops.convert_to_numpy(y)


harness.measure(a, c, f"kerashub-{a.backend}-{a.mode}", encode)
