#!/usr/bin/env python3
"""Writes network.json: what YOLOv5 v7.0 computes for narrow models, sampled; and what its NMS keeps.

    python3 tests/golden/network.py

Needs torch, torchvision and the package yolov5==7.0.14. No weight is stored: every number of a model, an input or a prediction
follows from its name and place by `numbers`, here and in tests/models/network_golden.rs alike. The checkpoints are those of checkpoint.py.
"""
import json
import logging
import math
import sys
import types
from pathlib import Path

import numpy as np
import torch

stub = types.ModuleType("yolov5.utils.roboflow")  # fails to import without network tools
stub.RoboflowConnector = stub.check_dataset_roboflow = object
sys.modules["yolov5.utils.roboflow"] = stub
import thop  # noqa: E402
import yaml  # noqa: E402
import yolov5  # noqa: E402
from yolov5.models.common import Conv  # noqa: E402
from yolov5.models.yolo import Model  # noqa: E402
from yolov5.utils.general import non_max_suppression  # noqa: E402

for name in ("models", "models.common", "models.yolo"):  # the paths in old checkpoints
    sys.modules[name] = sys.modules[f"yolov5.{name}"]
HERE = Path(__file__).parent
CONFIGS = Path(yolov5.__file__).parent / "models"
SAMPLES = 16
# As YOLOv5 v5.0 had them: Focus stem, SPP before the last block; here with BottleneckCSP on the way.
V5_BACKBONE = [[-1, 1, "Focus", [64, 3]], [-1, 1, "Conv", [128, 3, 2]], [-1, 3, "BottleneckCSP", [128]],
               [-1, 1, "Conv", [256, 3, 2]], [-1, 9, "C3", [256]], [-1, 1, "Conv", [512, 3, 2]], [-1, 9, "BottleneckCSP", [512]],
               [-1, 1, "Conv", [1024, 3, 2]], [-1, 1, "SPP", [1024, [5, 9, 13]]], [-1, 3, "C3", [1024, False]]]
# name, config, width, depth, classes, (rows, columns), changes
CASES = [("plain", "yolov5s", 0.125, 0.33, 3, (64, 96), {}),
         ("p6", "yolov5s6", 0.0625, 0.33, 2, (128, 64), {}),
         ("p2", "yolov5-p2", 0.0625, 0.33, 1, (96, 64), {}),
         ("fpn", "yolov5-fpn", 0.125, 0.33, 2, (64, 64), {}),
         ("ghost", "yolov5s-ghost", 0.125, 0.33, 3, (64, 64), {}),
         ("leaky", "yolov5s-LeakyReLU", 0.125, 0.33, 3, (64, 64), {}),
         ("transformer", "yolov5s-transformer", 0.125, 0.67, 3, (64, 96), {}),
         ("v5", "yolov5s", 0.125, 0.33, 4, (64, 96), {"backbone": V5_BACKBONE}),
         ("v3-tiny", "yolov3-tiny", 0.125, 1.0, 3, (64, 96), {})]


def numbers(name, count):
    """`count` numbers in [0, 1) from a name: FNV-1a of the name, then SplitMix64, the upper 24 bits."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def weight(name, shape):
    u = numbers(name, math.prod(shape))
    if len(shape) > 1:
        gain = 1.35 if len(shape) == 4 else 0.5
        values = (2 * u - 1) * gain * math.sqrt(3 / math.prod(shape[1:]))
    elif name.endswith((".weight", "running_var")):
        values = 0.5 + u
    else:
        values = 0.4 * (u - 0.5)
    return torch.tensor(values.astype(np.float32)).view(shape)


def sampled(tensor):
    flat = tensor.detach().flatten().double()
    at = [i * (len(flat) - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    return {"shape": list(tensor.shape), "max": float(f"{flat.abs().max().item():.7g}"),
            "values": [float(f"{flat[i].item():.7g}") for i in at]}


@torch.no_grad()
def case(name, config, width, depth, nc, size, changes):
    Conv.default_act = torch.nn.SiLU()  # one config changes it for all that follow
    (path,) = CONFIGS.rglob(f"{config}.yaml")
    spec = {**yaml.safe_load(path.read_text()), "width_multiple": width, "depth_multiple": depth, "nc": nc, **changes}
    model = Model(json.loads(json.dumps(spec))).eval()
    state = {key: value for key, value in model.state_dict().items()
             if not key.endswith("num_batches_tracked") and not key.endswith(".anchors")}
    for key, value in state.items():
        value.copy_(weight(key, value.shape))
    largest = max(int(model.stride.max()), 32)
    flops = thop.profile(Model(json.loads(json.dumps(spec))), inputs=(torch.empty(1, 3, largest, largest),), verbose=False)[0]
    rows, cols = size
    outputs = [None] * len(model.model)
    for index, layer in enumerate(model.model[:-1]):
        layer.register_forward_hook(lambda _, __, y, index=index: outputs.__setitem__(index, y.clone()))
    x = torch.tensor(numbers("input", 3 * rows * cols).astype(np.float32)).view(1, 3, rows, cols)
    decoded, heads = model(x)
    detect = model.model[-1]
    necks = [outputs[index] for index in detect.f]
    backbone = [[y for y in outputs[:len(spec["backbone"])] if y.shape[2:] == neck.shape[2:]][-1] for neck in necks]
    return {"name": name, "yaml": spec, "input": [rows, cols],
            "strides": [int(s) for s in detect.stride],
            "anchors": (detect.anchors * detect.stride.view(-1, 1, 1)).round(decimals=4).tolist(),
            "parameters": sum(p.numel() for p in model.parameters()), "gflops": flops / 1e9 * 2 * (640 / largest) ** 2,
            "tensors": len(state), "backbone": [sampled(t) for t in backbone], "necks": [sampled(t) for t in necks],
            "heads": [sampled(t) for t in heads], "decoded": sampled(decoded)}


@torch.no_grad()
def checkpoint(file):
    """What a checkpoint beside this file computes: raw heads, or the boxes of TorchScript."""
    rows, cols = 32, 48
    x = torch.tensor(numbers("input", 3 * rows * cols).astype(np.float32)).view(1, 3, rows, cols)
    if file.endswith(".torchscript"):
        (decoded,) = torch.jit.load(HERE / file)(x)
        return {"file": file, "input": [rows, cols], "decoded": sampled(decoded), "heads": []}
    stored = torch.load(HERE / file, weights_only=False)
    model = (stored["ema"] or stored["model"]).float().eval()
    detect = model.model[-1]
    if isinstance(detect.anchor_grid, torch.Tensor):  # v5.0's buffer
        del detect.anchor_grid
        detect.grid, detect.anchor_grid = ([torch.empty(0)] * detect.nl for _ in range(2))
    decoded, heads = model(x)
    return {"file": file, "input": [rows, cols], "decoded": sampled(decoded), "heads": [sampled(t) for t in heads]}


def nms(name, count, nc, **options):
    """Boxes gathered round a few centres, so that most have rivals."""
    u = numbers(name, count * (5 + nc)).reshape(count, 5 + nc)
    u[:, :2] = np.floor(u[:, :2] * 4) * 150 + 60 + u[:, 2:4] * 40
    u[:, 2:4] = 40 + u[:, 2:4] * 80
    found = non_max_suppression(torch.tensor(u.astype(np.float32))[None], **options)[0]
    return {"name": name, "count": count, "nc": nc, **options,
            "kept": [[float(f"{v:.7g}") for v in row] for row in found.tolist()]}


def main():
    logging.disable(logging.INFO)
    golden = {
        "cases": [case(*arguments) for arguments in CASES],
        "checkpoints": [checkpoint(file) for file in ("checkpoint_v7.pt", "checkpoint_v5.pt", "checkpoint.torchscript")],
        "nms": [nms("best class", 400, 3, conf_thres=0.25, iou_thres=0.45, multi_label=False, max_det=300),
                nms("every class", 150, 5, conf_thres=0.001, iou_thres=0.6, multi_label=True, max_det=100),
                nms("few", 400, 2, conf_thres=0.1, iou_thres=0.3, multi_label=True, max_det=7),
                nms("one class", 200, 1, conf_thres=0.05, iou_thres=0.5, multi_label=True, max_det=300)],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")).replace('{"name"', '\n{"name"').replace('{"file"', '\n{"file"') + "\n")


if __name__ == "__main__":
    main()
