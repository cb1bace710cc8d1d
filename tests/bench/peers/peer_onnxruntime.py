# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, CPU execution provider: f32, or int8 by quantize_dynamic."""
import os

import harness

p = harness.parser(__doc__, ("f32", "int8"))
p.add_argument("--attention", choices=("mha", "onnx", "plain"), default="mha",
               help="attention in the graph: ORT's fused MultiHeadAttention, opset 23 Attention, "
                    "or matmul-softmax-matmul")
p.add_argument("--stage", choices=("f32", "int8"), help=harness.STAGE_HELP)
a, c = harness.setup(p)
size = f"{a.width}x{a.height}"
paths = {s: os.path.join(harness.cache_name(a, size, a.attention, s), "model.onnx")
         for s in ("f32", "int8")}


def export():
    import torch

    import torch_encoder

    def mha(q, k, v):
        n, hd = q.shape[1], c["H"] * c["d"]
        return torch.onnx.ops.symbolic(
            "com.microsoft::MultiHeadAttention", tuple(t.reshape(1, n, hd) for t in (q, k, v)),
            dict(num_heads=c["H"], scale=1.0), dtype=torch.float32, shape=(1, n, hd), version=1)

    def plain(q, k, v):
        s = torch.matmul(q.transpose(1, 2), k.permute(0, 2, 3, 1)).softmax(-1)
        return torch.matmul(s, v.transpose(1, 2)).transpose(1, 2).reshape(1, q.shape[1], -1)

    model = torch_encoder.build(a, c)
    if a.attention != "onnx":
        for layer in model.layers:
            layer.attention = mha if a.attention == "mha" else plain
    os.makedirs(os.path.dirname(paths["f32"]), exist_ok=True)
    example = (torch.zeros(1, model.pos.shape[1], 3 * c["P"] ** 2),)
    program = torch.onnx.export(model, example, dynamo=True, input_names=["px"],
                                output_names=["y"],
                                opset_version=23 if a.attention == "onnx" else 18)
    program.save(paths["f32"], external_data=True)


def quantize():
    from onnxruntime.quantization import QuantType, quantize_dynamic
    os.makedirs(os.path.dirname(paths["int8"]), exist_ok=True)
    quantize_dynamic(paths["f32"], paths["int8"], weight_type=QuantType.QInt8, per_channel=True,
                     use_external_data_format=True, op_types_to_quantize=["MatMul", "Gemm"])


if a.stage:
    export() if a.stage == "f32" else quantize()
    raise SystemExit
for s in ("f32", "int8"):
    if (s == "f32" or a.precision == "int8") and not os.path.exists(paths[s]):
        harness.in_child(a, s)

import onnxruntime as ort

o = ort.SessionOptions()
o.intra_op_num_threads = a.threads
o.inter_op_num_threads = 1
o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
session = ort.InferenceSession(paths[a.precision], o, providers=["CPUExecutionProvider"])
harness.measure(a, c, "onnxruntime-" + a.attention,
                lambda px, pos: session.run(None, {"px": px})[0])
