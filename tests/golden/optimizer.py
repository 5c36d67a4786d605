#!/usr/bin/env python3
"""Writes optimizer.json: parameters after steps of PyTorch's own SGD, Adam and AdamW in YOLOv5's groups and one for adapters.

    python3 tests/golden/optimizer.py

Needs torch. Gradients follow from `numbers`, here and in tests/training/optimizer.rs alike; learning rates change from step to step,
as in a warm-up, and SGD's momentum with them.
"""
import json
from pathlib import Path

import torch

STEPS = 10
SHAPES = {"conv.weight": [5, 3, 3, 3], "conv.bias": [3], "bn.weight": [3], "adapter": [2, 2]}
DECAYED = ["conv.weight"]  # convolution weights alone, as in YOLOv5; adapters have none either


def numbers(start, shape):
    """(start + 37 i mod 101) / 101 − 0.5 for i = 0, 1, …"""
    count = torch.Size(shape).numel()
    return torch.tensor([(start + 37 * i) % 101 / 101 - 0.5 for i in range(count)], dtype=torch.float32).reshape(shape)


def rates(step):
    return {"conv.weight": 0.003 * (step + 1) / STEPS, "conv.bias": 0.01 / (step + 1), "bn.weight": 0.002, "adapter": 0.0015}


def momentum(name, step):
    return 0.8 + 0.137 * step / STEPS if name == "sgd" else 0.937


cases = []
for name, decay in [("sgd", 0.0005), ("adam", 0.0005), ("adam-w", 0.02)]:
    parameters = {key: numbers(7 * place, shape).requires_grad_() for place, (key, shape) in enumerate(SHAPES.items())}
    groups = [{"params": [parameter], "name": key, "weight_decay": decay if key in DECAYED else 0.0}
              for key, parameter in parameters.items()]
    optimizer = {"sgd": lambda: torch.optim.SGD(groups, lr=1, momentum=0.8, nesterov=True),
                 "adam": lambda: torch.optim.Adam(groups, lr=1, betas=(0.937, 0.999)),
                 "adam-w": lambda: torch.optim.AdamW(groups, lr=1, betas=(0.937, 0.999))}[name]()
    for step in range(STEPS):
        for place, (key, parameter) in enumerate(parameters.items()):
            parameter.grad = numbers(11 * step + 5 * place + 1, SHAPES[key]) * (0.1 if key == "bn.weight" else 1)
        for group in optimizer.param_groups:
            group["lr"] = rates(step)[group["name"]]
            if "momentum" in group:  # as YOLOv5 asks: Adam's groups have none
                group["momentum"] = momentum(name, step)
        optimizer.step()
    values = {key: parameter.detach().double().flatten().tolist() for key, parameter in parameters.items()}
    cases.append({"optimizer": name, "weight_decay": decay, "parameters": values})
out = {"torch": torch.__version__.split("+")[0], "steps": STEPS, "cases": cases}
Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
