"""Writes tests/golden/train.json: what YOLOv5 v7.0 assigns to random ground truths, and its losses and their gradients on
random heads. Needs `yolov5==7.0.14` and, on PYTHONPATH, `yolov5_reference` (a module that imports it without a network).

    REF/bin/python scripts/golden_train.py
"""
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

import yolov5_reference as ref  # noqa: F401
from yolov5.utils.loss import ComputeLoss

ANCHORS = [[[10, 13], [16, 30], [33, 23]], [[30, 61], [62, 45], [59, 119]], [[116, 90], [156, 198], [373, 326]]]
STRIDES = [8, 16, 32]


def numbers(name, count):
    """As tests/models/network_common.rs: FNV-1a of the name, then SplitMix64, the upper 24 bits as a fraction."""
    mask = (1 << 64) - 1
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & mask
    values = []
    for i in range(count):
        z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        values.append(((z ^ (z >> 31)) >> 40) / (1 << 24))
    return values


class Detect(torch.nn.Module):
    def __init__(self, nc):
        super().__init__()
        self.na, self.nc, self.nl = 3, nc, len(STRIDES)
        stride = torch.tensor(STRIDES, dtype=torch.float32)
        self.register_buffer("anchors", torch.tensor(ANCHORS, dtype=torch.float32) / stride.view(-1, 1, 1))
        self.stride = stride


class Model(torch.nn.Module):
    def __init__(self, nc, hyp):
        super().__init__()
        self.model = torch.nn.ModuleList([Detect(nc)])
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.hyp = hyp


def case(name, rows, cols, nc, images, targets, **changed):
    hyp = {"box": 0.05, "obj": 0.7, "cls": 0.4, "cls_pw": 1.0, "obj_pw": 1.0, "anchor_t": 4.0, "fl_gamma": 0.0,
           "label_smoothing": 0.0, **changed}
    u = np.array(numbers(f"{name} targets", targets * 6)).reshape(targets, 6)
    t = np.stack([np.floor(u[:, 0] * images), np.floor(u[:, 1] * nc), u[:, 2], u[:, 3],
                  0.01 + 0.9 * u[:, 4] ** 3, 0.01 + 0.9 * u[:, 5] ** 3], 1).astype(np.float32)
    t = torch.from_numpy(t.reshape(-1, 6))
    heads = []
    for stride in STRIDES:
        shape = (images, 3, rows // stride, cols // stride, 5 + nc)
        values = np.array(numbers(f"{name} head {stride}", int(np.prod(shape))), dtype=np.float32) * 8 - 4
        heads.append(torch.from_numpy(values.reshape(shape)).requires_grad_())
    loss = ComputeLoss(Model(nc, hyp))
    tcls, tbox, indices, _ = loss.build_targets([h.detach() for h in heads], t)
    total, parts = loss(heads, t)
    total.backward()
    positives = []
    for scale in range(3):
        b, a, gj, gi = (x.tolist() for x in indices[scale])
        positives.append([[*row, *box] for row, box in
                          zip(zip(b, a, gj, gi, tcls[scale].tolist()), tbox[scale].tolist())])
    gradients = []
    for head in heads:
        g = head.grad.flatten().double()
        at = np.unique(np.linspace(0, len(g) - 1, 200).astype(int))
        hot = g.abs().topk(50).indices.numpy()
        at = np.unique(np.concatenate([at, hot]))
        gradients.append({"norm": g.norm().item(), "at": at.tolist(), "values": g[at].tolist()})
    return {"name": name, "rows": rows, "cols": cols, "nc": nc, "images": images, "hyp": hyp, "targets": t.tolist(),
            "positives": positives, "losses": parts.tolist(), "total": total.item(), "gradients": gradients}


cases = [
    case("plain", 128, 128, 3, 2, 12),
    case("not square", 96, 160, 2, 3, 20),
    case("no target", 64, 64, 3, 2, 0),
    case("one class", 64, 96, 1, 2, 8),
    case("focal", 64, 64, 3, 2, 10, fl_gamma=1.5),
    case("smoothed and weighted", 64, 64, 4, 2, 10, label_smoothing=0.1, cls_pw=0.7, obj_pw=1.3, anchor_t=2.91),
]
out = Path(__file__).parent.parent / "tests/golden/train.json"
rounded = json.loads(json.dumps(cases), parse_float=lambda x: float(f"{float(x):.8g}"))
out.write_text(json.dumps(rounded, separators=(",", ":")))
print(out, out.stat().st_size, "bytes")
