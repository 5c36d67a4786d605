"""Writes network_*.pt and network.json: narrow YOLOv5 models of several families and what the reference says of them.

Needs PyPI's yolov5==7.0.14 with PyTorch 2.11 and a module `yolov5_reference` on PYTHONPATH that imports it offline
(`build`, `save`, `heads`, `necks`). Run in this folder: python network.py
"""
import json
import math

import torch
import yaml
import yolov5_reference as ref
from yolov5.models.yolo import Model

FAMILIES = {
    # name: (config, depth, width, height, width of the input)
    "n": ("yolov5n", 0.33, 0.06, 64, 96),
    "small": ("yolov5s", 0.33, 0.03, 64, 64),
    "p2": ("yolov5-p2", 0.33, 0.02, 64, 64),
    "s6": ("yolov5s6", 0.33, 0.02, 128, 64),
    "ghost": ("yolov5s-ghost", 0.33, 0.02, 64, 64),
    "leaky": ("yolov5s-LeakyReLU", 0.33, 0.02, 64, 64),
    "panet": ("yolov5-panet", 0.33, 0.02, 64, 64),
}


def build(config, depth, width, seed):
    torch.manual_seed(seed)
    cfg = yaml.safe_load(open(sorted(ref.CONFIGS.rglob(f"{config}.yaml"))[0]))
    cfg["depth_multiple"], cfg["width_multiple"] = depth, width
    model = Model(cfg, nc=3).eval()
    # Statistics that are not the identity, so that a batch-norm that is left out shows.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.3, 0.3)
    model.names = ["red", "white", "platelet"]
    return model.half().float()


def samples(tensor, count=24):
    flat = tensor.flatten()
    at = [(i * 7919 + 13) % flat.numel() for i in range(count)]
    return {"shape": list(tensor.shape), "max": flat.abs().max().item(), "at": at, "values": [flat[i].item() for i in at]}


golden = {}
for seed, (name, (config, depth, width, rows, cols)) in enumerate(FAMILIES.items()):
    model = build(config, depth, width, seed)
    ref.save(model, f"network_{name}.pt", half=True)
    pixels = torch.arange(3 * rows * cols, dtype=torch.float64)
    x = (0.5 + 0.5 * torch.sin(pixels * 0.37 + (pixels % 11) * math.pi / 5)).float().reshape(1, 3, rows, cols)
    golden[name] = {
        "input": [rows, cols],
        "strides": [int(s) for s in model.stride],
        "parameters": sum(p.numel() for p in model.parameters()),
        "necks": [samples(t) for t in ref.necks(model, x)],
        "heads": [samples(t) for t in ref.heads(model, x)],
    }
json.dump(golden, open("network.json", "w"), indent=None, separators=(",", ":"))
