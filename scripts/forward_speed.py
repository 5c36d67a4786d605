#!/usr/bin/env python3
"""One image through two models, beside YOLOv5 v7.0 in PyTorch eager: same machine, threads, weights and size, in turn.

    PYTHONPATH=DIR REF/bin/python scripts/forward_speed.py --data data.yaml --teacher s.pt --student n.pt [--imgsz 640] [--threads 2]
        [--rounds 5] [--before OTHER]

DIR holds `yolov5_reference.py`, a module that imports `yolov5==7.0.14` without a network. Each round is `distillscope bench` once
(medians of its forward passes and of an image opened with both models), then the same two forward passes in PyTorch, not fused, as
YOLOv5 trains and saves its models. `--before` names an older distillscope, whose bench runs in every round too. Medians over the rounds.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

import torch

import yolov5_reference as ref

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default="target/release/distillscope")
parser.add_argument("--before")
parser.add_argument("--data", required=True)
parser.add_argument("--teacher", required=True)
parser.add_argument("--student", required=True)
parser.add_argument("--imgsz", type=int, default=640)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seconds", type=int, default=20, help="of one bench, all that it measures")
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()
TASKS = {"teacher": args.teacher, "student": args.student, "comparison": "an image opened with both", "val": "16 images of val"}


def bench(program):
    command = [program, "bench", "--data", args.data, "--teacher", args.teacher, "--student", args.student, "--imgsz", args.imgsz, "--batch", 1,
               "--workers", 1, "--threads", args.threads, "--device", "cpu", "--seconds", args.seconds, "--json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return {found["id"]: found["median"] for found in json.loads(done.stdout)["measurements"]}


@torch.no_grad()
def eager(model):
    image = torch.rand(1, 3, args.imgsz, args.imgsz)
    times = []
    for _ in range(12):
        begin = time.perf_counter()
        model(image)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[2:])


torch.set_num_threads(args.threads)
models = {role: ref.load(weights).float().eval() for role, weights in (("teacher", args.teacher), ("student", args.student))}
sides = {"program": lambda: bench(args.program), "eager": lambda: {role: eager(model) for role, model in models.items()}}
if args.before:
    sides["before"] = lambda: bench(args.before)
rounds = {side: [] for side in sides}
for _ in range(args.rounds):
    for side, measure in sides.items():
        rounds[side].append(measure())
for task, what in TASKS.items():
    median = {side: statistics.median(found[task] for found in found) for side, found in rounds.items() if task in found[0]}
    others = (f"{side} {1000 * seconds:.1f} ms ({median['program'] / seconds:.2f})" for side, seconds in median.items() if side != "program")
    print(f"{task} ({what}): program {1000 * median['program']:.1f} ms, " + ", ".join(others))
