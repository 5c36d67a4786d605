#!/usr/bin/env python3
"""A training step of the program beside one of YOLOv5 v7.0's trainer: same machine, threads, model, batch and data, in turn.

    PYTHONPATH=DIR REF/bin/python scripts/step_speed.py --data data.yaml [--model yolov5s] [--batch 16] [--imgsz 320] [--threads 2]

DIR holds `yolov5_reference.py`, a module that imports `yolov5==7.0.14` without a network. A step is forward, loss, backward,
optimizer and moving average from random weights, in float32 on the CPU, without imitation; the wait for the loader is left out on both sides. Each
side runs `--rounds` times in turn, and the median step of each round is given, its first steps left out. `--channels-last false`
shows what the program's memory format is worth.
"""
import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml

import yolov5_reference as ref
from yolov5.utils.dataloaders import create_dataloader
from yolov5.utils.loss import ComputeLoss
from yolov5.utils.torch_utils import ModelEMA, smart_optimizer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default="target/release/distillscope")
parser.add_argument("--data", required=True)
parser.add_argument("--model", default="yolov5s")
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--imgsz", type=int, default=320)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=12)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--channels-last", default="true")
args = parser.parse_args()
SKIPPED = 3

data = yaml.safe_load(Path(args.data).read_text())
root = Path(args.data).parent / data.get("path", ".")
hyp = {"lr0": 0.01, "momentum": 0.937, "weight_decay": 0.0005, "box": 0.05, "cls": 0.5 * len(data["names"]) / 80, "cls_pw": 1.0,
       "obj": 1.0 * (args.imgsz / 640) ** 2, "obj_pw": 1.0, "anchor_t": 4.0, "fl_gamma": 0.0, "label_smoothing": 0.0, "hsv_h": 0,
       "hsv_s": 0, "hsv_v": 0, "degrees": 0, "translate": 0, "scale": 0, "shear": 0, "perspective": 0, "flipud": 0, "fliplr": 0,
       "mosaic": 0, "mixup": 0, "copy_paste": 0}


def ours():
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [args.program, "train", "--data", args.data, "--teacher", "none", "--student", args.model, "--imgsz", str(args.imgsz),
                   "--batch", str(args.batch), "--recipe", "yolov5", "--nominal-batch", str(args.batch), "--steps", str(args.steps), "--evaluate-every", "1000",
                   "--no-augmentation", "--channels-last", args.channels_last, "--threads", str(args.threads), "--device", "cpu", "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        rows = [row for row in csv.DictReader((out / "steps.csv").open()) if int(row["images"]) == args.batch]
        return statistics.median(float(row["seconds"]) - float(row["waited"]) for row in rows[SKIPPED:])


def theirs():
    torch.set_num_threads(args.threads)
    model = ref.build(args.model, nc=len(data["names"]), seed=0).train()
    for parameter in model.parameters():
        parameter.requires_grad_()
    model.hyp = hyp
    loss_of, average = ComputeLoss(model), ModelEMA(model)
    optimizer = smart_optimizer(model, "SGD", hyp["lr0"], hyp["momentum"], hyp["weight_decay"])
    loader, _ = create_dataloader(str(root / data["train"]), args.imgsz, args.batch, 32, hyp=hyp, augment=True, workers=0)
    times = []
    while len(times) < args.steps:
        for images, targets, *_ in loader:
            if len(images) < args.batch or len(times) == args.steps:
                break
            begin = time.perf_counter()
            loss, _ = loss_of(model(images.float() / 255), targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update(model)
            times.append(time.perf_counter() - begin)
    return statistics.median(times[SKIPPED:])


rounds = [(ours(), theirs()) for _ in range(args.rounds)]
for number, (program, reference) in enumerate(rounds):
    print(f"round {number + 1}: program {program:.3f} s, reference {reference:.3f} s a step")
program, reference = (statistics.median(side) for side in zip(*rounds))
print(f"{args.model}, batch {args.batch}, {args.imgsz} px, {args.threads} threads: program {program:.3f} s, reference {reference:.3f} s, "
      f"{reference / program:.2f} times as fast")
