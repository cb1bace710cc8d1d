# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU: f32, bf16 (inference precision hint), int8 (8-bit weights by nncf)."""
import os
import time

import harness
import inputs

p = harness.parser(__doc__, ("f32", "bf16", "int8"))
p.add_argument("--hint", choices=("LATENCY", "THROUGHPUT"), default="LATENCY")
p.add_argument("--int8-mode", choices=("weights", "full"), default="full",
               help="int8: compressed weights only, or post-training quantization of the "
                    "activations as well")
p.add_argument("--int8-compute", choices=("f32", "bf16"), default="f32",
               help="precision of what is not int8")
p.add_argument("--stage", choices=("f32", "weights", "full"), help=harness.STAGE_HELP)
a, c = harness.setup(p)
paths = {s: harness.cache_name(a, f"{a.width}x{a.height}", "ov", s) + ".xml"
         for s in ("f32", "weights", "full")}


def convert():
    import openvino as ov
    import torch

    import torch_encoder
    model = torch_encoder.build(a, c)
    shape = (1, model.pos.shape[1], 3 * c["P"] ** 2)
    m = ov.convert_model(model, example_input=torch.zeros(shape), input=list(shape))
    ov.save_model(m, paths["f32"], compress_to_fp16=False)


def quantize(mode):
    import nncf
    import openvino as ov
    m = ov.Core().read_model(paths["f32"])
    if mode == "weights":
        m = nncf.compress_weights(m, mode=nncf.CompressWeightsMode.INT8_SYM)
    else:
        frames = [inputs.patches(inputs.frame(a.width, a.height, i))[0] for i in range(3, 5)]
        m = nncf.quantize(m, nncf.Dataset(frames), subset_size=2,
                          model_type=nncf.ModelType.TRANSFORMER,
                          preset=nncf.QuantizationPreset.PERFORMANCE)
    ov.save_model(m, paths[mode], compress_to_fp16=False)


if a.stage:
    convert() if a.stage == "f32" else quantize(a.stage)
    raise SystemExit
want = a.int8_mode if a.precision == "int8" else "f32"
for s in ("f32", want):
    if not os.path.exists(paths[s]):
        harness.in_child(a, s)

import openvino as ov  # only now: the conversion's memory is not this process's

compute = a.int8_compute if a.precision == "int8" else a.precision
compiled = ov.Core().compile_model(paths[want], "CPU", {
    "PERFORMANCE_HINT": a.hint, "INFERENCE_NUM_THREADS": a.threads,
    "INFERENCE_PRECISION_HINT": compute})
peer = f"openvino-{a.hint.lower()}"
if a.precision == "int8":
    peer += f"-{a.int8_mode}-{compute}"
if a.hint == "LATENCY":
    request = compiled.create_infer_request()
    harness.measure(a, c, peer, lambda px, pos: request.infer({0: px})[0])
else:  # as many frames in flight as OpenVINO asks for; seconds per frame = wall time / frames
    n = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    px = inputs.patches(inputs.frame(a.width, a.height, 0))[0]
    queue = ov.AsyncInferQueue(compiled, n)
    times, others = [], harness.Others()
    for i in range(a.warmup + a.frames):
        if i == a.warmup:
            others.start()
        t = time.perf_counter()
        for _ in range(n):
            queue.start_async({0: px})
        queue.wait_all()
        if i >= a.warmup:
            times.append((time.perf_counter() - t) / n)
    y = queue[0].get_output_tensor().data.reshape(-1, c["out"])
    harness.report(a, c, peer, times, harness.rss_mb(), y,
                   dict(in_flight=n, others_cpu_seconds=others.stop()))
