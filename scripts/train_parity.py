#!/usr/bin/env python3
"""Checks a training step against YOLOv5 v7.0's own: losses, the gradient of every parameter, one step of SGD, one update of
the moving average; and the imitation loss with its gradients against its plain formula.

    PYTHONPATH=DIR REF/bin/python scripts/train_parity.py --data data.yaml --teacher t.pt --student s.pt [--imgsz 320]

DIR holds `yolov5_reference.py`, a module that imports `yolov5==7.0.14` without a network. Eight training images make one
batch, without augmentation, in float32 on the CPU. Their ground truths are moved by a few ten-thousandths of the image: where a
centre lies on a half cell, as whole pixels often do, the last bit of float32 decides which neighbour answers too, and the two
programs round in different orders (--as-they-are leaves them there). Both keep tensors contiguous: between that and channels
last the reference's own gradients differ by up to 2.5e-2 on such a batch, since float32 rounds otherwise before the batch-norms. The program's gradients are read from weights/resume.safetensors of a
run of one step that gathers and does not step; its weights from another that does. Exit 1 above the limits.
"""
import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

import yolov5_reference as ref
from yolov5.utils.dataloaders import create_dataloader
from yolov5.utils.loss import ComputeLoss
from yolov5.utils.torch_utils import ModelEMA, smart_optimizer

parser = argparse.ArgumentParser()
parser.add_argument("--program", default="target/release/distillscope")
parser.add_argument("--data", required=True)
parser.add_argument("--teacher", required=True)
parser.add_argument("--student", required=True)
parser.add_argument("--imgsz", type=int, default=320)
parser.add_argument("--level-rule", default="global")
parser.add_argument("--as-they-are", action="store_true")
args = parser.parse_args()
LAMBDA, PSI, BATCH = 0.01, 0.5, 8

work = Path(tempfile.mkdtemp())
data = yaml.safe_load(Path(args.data).read_text())
root = Path(args.data).parent / data.get("path", ".")
split = root / data["train"]
images = sorted(p for p in split.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:BATCH]
for kind in ("images", "labels"):
    (work / kind).mkdir()
def moved(line):
    if args.as_they_are or not line.strip():
        return line
    kind, x, y, w, h = line.split()[:5]
    inward = lambda centre, by: float(centre) + (by if float(centre) < 0.5 else -by)
    return f"{kind} {inward(x, 0.00037):.8f} {inward(y, 0.00041):.8f} {w} {h}"


for image in images:
    label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
    (work / "images" / image.name).write_bytes(image.read_bytes())
    (work / "labels" / label.name).write_text("\n".join(map(moved, label.read_text().splitlines())))
small = work / "data.yaml"
small.write_text(yaml.safe_dump({"path": str(work), "train": "images", "val": "images", "names": data["names"]}))


def run(name, *options):
    out = work / name
    command = [args.program, "train", "--data", str(small), "--teacher", args.teacher, "--student", args.student,
               "--imgsz", str(args.imgsz), "--batch", str(BATCH), "--steps", "1", "--recipe", "yolov5",
               "--no-augmentation", "--set", "warmup_epochs=0", "--imitation", "features", "--lambda", str(LAMBDA), "--psi", str(PSI), "--level-rule", args.level_rule,
               "--tap", "neck", "--adapter-start", "random", "--channels-last", "false", "--device", "cpu", "--out", str(out), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    header, row = (out / "steps.csv").read_text().splitlines()[:2]
    record = dict(zip(header.split(","), row.split(",")))
    return record, load_file(out / "weights/resume.safetensors")


hyp = {"lr0": 0.01, "momentum": 0.937, "weight_decay": 0.0005, "box": 0.05, "cls": 0.5, "cls_pw": 1.0, "obj": 1.0,
       "obj_pw": 1.0, "anchor_t": 4.0, "fl_gamma": 0.0, "label_smoothing": 0.0, "hsv_h": 0, "hsv_s": 0, "hsv_v": 0,
       "degrees": 0, "translate": 0, "scale": 0, "shear": 0, "perspective": 0, "flipud": 0, "fliplr": 0, "mosaic": 0,
       "mixup": 0, "copy_paste": 0}
loader, _ = create_dataloader(str(work / "images"), args.imgsz, BATCH, 32, hyp=hyp, augment=True, workers=0)
pixels, targets, _, _ = next(iter(loader))
inputs = pixels.float() / 255
worst = {}


def compare(what, ours, theirs):
    """Relative error, ‖ours − theirs‖ / ‖theirs‖, the largest of any tensor."""
    error = (ours.double() - theirs.double()).norm().item() / max(theirs.double().norm().item(), 1e-12)
    worst[what] = max(worst.get(what, 0.0), error)


def reference():
    model = ref.load(args.student).train()
    for parameter in model.parameters():
        parameter.requires_grad_()
    nc, nl = model.model[-1].nc, model.model[-1].nl
    model.hyp = {**hyp, "box": hyp["box"] * 3 / nl, "cls": hyp["cls"] * nc / 80 * 3 / nl,
                 "obj": hyp["obj"] * (args.imgsz / 640) ** 2 * 3 / nl}
    seen = {}
    model.model[-1].register_forward_pre_hook(lambda module, given: seen.update(necks=list(given[0])))
    return model, seen


def iou_with_anchors(box, anchors, stride, rows, cols):
    """[A, rows, cols]: every anchor on every cell's centre with one box, without any short cut."""
    maps = torch.zeros(len(anchors), rows, cols, dtype=torch.float64)
    x = (torch.arange(cols) + 0.5) * stride
    y = (torch.arange(rows) + 0.5) * stride
    cx, cy = x[None, :].expand(rows, cols), y[:, None].expand(rows, cols)
    for a, (w, h) in enumerate(anchors):
        ow = (torch.minimum(cx + w / 2, torch.tensor(box[2])) - torch.maximum(cx - w / 2, torch.tensor(box[0]))).clamp(0)
        oh = (torch.minimum(cy + h / 2, torch.tensor(box[3])) - torch.maximum(cy - h / 2, torch.tensor(box[1]))).clamp(0)
        inter = ow * oh
        maps[a] = inter / (w * h + (box[2] - box[0]) * (box[3] - box[1]) - inter)
    return maps


def imitation(model, seen, state):
    """Per scale, λ / 2N Σ I Σ (adapter(s) − t)², masks by brute force."""
    teacher = ref.load(args.teacher)
    taught = ref.necks(teacher, inputs)
    detect = model.model[-1]
    masks = [torch.zeros(len(inputs), 1, *neck.shape[2:]) for neck in seen["necks"]]
    for image, _, xc, yc, w, h in targets.double().tolist():
        box = [(xc - w / 2) * args.imgsz, (yc - h / 2) * args.imgsz, (xc + w / 2) * args.imgsz, (yc + h / 2) * args.imgsz]
        maps = []
        for scale, neck in enumerate(seen["necks"]):
            stride = detect.stride[scale].item()
            anchors = (detect.anchors[scale] * stride).double().tolist()
            maps.append(iou_with_anchors(box, anchors, stride, *neck.shape[2:]))
        best = max(m.max().item() for m in maps)
        for mask, m in zip(masks, maps):
            top = best if args.level_rule == "global" else m.max().item()
            mask[int(image), 0][(m > PSI * top).any(0)] = 1
    losses, weights = [], {}
    for scale, (neck, teach) in enumerate(zip(seen["necks"], taught)):
        name = f"p{int(math.log2(detect.stride[scale].item()))}"
        weight, bias = (state[f"adapter/{name}.{x}"].clone().requires_grad_() for x in ("weight", "bias"))
        weights[f"{name}.weight"], weights[f"{name}.bias"] = weight, bias
        adapted = torch.nn.functional.conv2d(neck, weight, bias)
        n = masks[scale].sum()
        losses.append(LAMBDA / (2 * n) * (masks[scale] * (adapted - teach) ** 2).sum() if n else torch.zeros(()))
    return losses, weights, [int(mask.sum()) for mask in masks]


# The gradients of one batch: gathered for more images than there are, so the optimizer never steps.
record, state = run("gathered", "--nominal-batch", "1000000")
model, seen = reference()
loss, parts = ComputeLoss(model)(model(inputs), targets)
of_imitation, adapters, cells = imitation(model, seen, state)
named = dict(model.named_parameters())
own, trained = list(named.values()), list(adapters.values())
# Apart, as the program keeps them: one pass backward from the sum and two passes added up differ by 1e-4 in the reference itself.
of_detection = torch.autograd.grad(loss, own, retain_graph=True)
added = torch.autograd.grad(sum(of_imitation) * len(inputs), own + trained, allow_unused=True)
for name, theirs in zip(("box", "objectness", "class"), parts.tolist()):
    compare(f"{name} loss", torch.tensor(float(record[name])), torch.tensor(theirs))
for scale, (theirs, count) in enumerate(zip(of_imitation, cells)):
    compare("imitation loss", torch.tensor(float(record[f"imitation_P{scale + 3}"])), theirs.detach())
    assert int(record[f"mask_cells_P{scale + 3}"]) == count, f"cells of scale {scale}: {record}, {cells}"
for name, of_loss, of_features in zip(named, of_detection, added):
    compare("gradients of detection", state[f"gradient/{name}"], of_loss)
    # The head's own layers lie behind the tap neck.
    assert (of_features is None) == (f"imitation/{name}" not in state), name
    if of_features is not None:
        compare("gradients of the imitation", state[f"imitation/{name}"], of_features)
for name, theirs in zip(adapters, added[len(own):]):
    compare("gradients of the adapters", state[f"imitation/{name}"], theirs)

# One step of SGD and of the moving average. The detection's gradient is clipped by its own norm, as upstream clips it; the
# imitation's is bounded to five times that.
_, state = run("stepped", "--nominal-batch", str(BATCH))
model, seen = reference()
average = ModelEMA(model)
optimizer = smart_optimizer(model, "SGD", hyp["lr0"], hyp["momentum"], hyp["weight_decay"])
loss, _ = ComputeLoss(model)(model(inputs), targets)
of_imitation, _, _ = imitation(model, seen, {k: v for k, v in load_file(work / "gathered/weights/resume.safetensors").items()})
loss.backward(retain_graph=True)
own = list(model.parameters())
norm = torch.nn.utils.clip_grad_norm_(own, max_norm=10.0).item()
added = torch.autograd.grad(sum(of_imitation) * len(inputs), own, allow_unused=True)
length = torch.linalg.vector_norm(torch.stack([g.norm() for g in added if g is not None])).item()
bound = min(1.0, 5 * min(norm, 10.0) / length) if length > 0 else 1.0
for parameter, gradient in zip(own, added):
    if gradient is not None:
        parameter.grad += bound * gradient
optimizer.step()
average.update(model)
floats = {k: v for k, v in model.state_dict().items() if v.dtype.is_floating_point and not k.endswith("anchors")}
for name, theirs in floats.items():
    compare("weights after a step", state[f"student/{name}"], theirs)
for name, theirs in average.ema.state_dict().items():
    if name in floats:
        compare("moving average after a step", state[f"average/{name}"], theirs)

limits = {"weights after a step": 1e-5, "moving average after a step": 1e-5}
failed = False
print(json.dumps({"tensors": len(named), "cells": cells}))
for what, error in worst.items():
    limit = limits.get(what, 1e-4)
    failed |= not error <= limit
    print(f"{what:30} {error:.2e}  (limit {limit:.0e})")
sys.exit(failed)
