#!/usr/bin/env python3
"""Checks `distillscope val` against YOLOv5 v7.0's own val.py, figure by figure, and times both.

    python3 scripts/val_parity.py --data data.yaml --weights a.pt b.pt --imgsz 320 640
        [--split val] [--batch 32] [--threads 2] [--program target/release/distillscope] [--limit 0.002]

Needs an environment with the reference package:

    python3 -m venv REF && REF/bin/pip install torch==2.11.0 torchvision==0.26.0 "numpy<2.3" "setuptools<80"
    REF/bin/pip install --no-deps yolov5==7.0.14 ultralytics==8.0.230 py-cpuinfo
    REF/bin/pip install opencv-python-headless pandas pyyaml requests tqdm matplotlib seaborn psutil scipy thop ipython gitpython tensorboard fire pillow

For every checkpoint and size both run on the CPU in float32 with the same
number of threads, one after the other. Prints a line a model and size, then one a class; `difference` is the largest over
precision, recall, mAP50 and mAP50-95. `seconds`: the program's whole process; the reference's run() alone, without the
start of Python. Exit 1 where a difference exceeds the limit.

The reference runs without the time limit of its NMS. Where a detection overlaps two ground truths equally, or but for the
last digits of float32, which of them it takes is chance (upstream's sort is unstable too), and a difference of a label remains.
"""
import argparse
import functools
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

os.environ.update(YOLOv5_AUTOINSTALL="false", WANDB_MODE="disabled", YOLOv5_VERBOSE="false")
import numpy as np
import torch
import yaml
from tqdm import tqdm

service = types.ModuleType("yolov5.utils.roboflow")  # for downloads alone, and it needs their client
service.RoboflowConnector, service.check_dataset_roboflow = object, lambda data, *_, **__: data
sys.modules[service.__name__] = service
if not hasattr(np, "trapz"):
    np.trapz = np.trapezoid
plain_load = torch.load
torch.load = lambda *args, **kwargs: plain_load(*args, **{**kwargs, "weights_only": False})  # whole pickled modules
from yolov5.utils import general

general.check_font = lambda *_, **__: None
# Its NMS gives up on the rest of a batch after 0.5 s and 0.05 s an image, so that its figures depend on the machine's
# speed: here its clock stands still.
general.time = types.SimpleNamespace(**{**vars(time), "time": lambda: 0.0})
from yolov5 import val
from yolov5.utils import dataloaders
import yolov5.models.common, yolov5.models.yolo  # noqa: E401

for module in [m for name, m in sys.modules.items() if name.startswith("yolov5.") and hasattr(m, "attempt_download_from_hub")]:
    module.attempt_download_from_hub = lambda *_, **__: None
for name in ("models", "models.common", "models.yolo"):  # checkpoints of a clone of the repository name models.*
    sys.modules.setdefault(name, sys.modules[f"yolov5.{name}"])

PROGRAM = Path(__file__).resolve().parent.parent / "target" / "release" / "distillscope"
FIGURES = ("precision", "recall", "ap50", "ap50_95")


def quiet(threads):
    torch.set_num_threads(threads)
    logging.getLogger("yolov5").setLevel(logging.ERROR)
    val.tqdm = dataloaders.tqdm = functools.partial(tqdm, disable=True)


def run_reference(data, weights, imgsz, options, **more):
    """val.run()'s figures of all classes together, and its seconds. more: arguments of val.run()."""
    content = yaml.safe_load(data.read_text())
    root = (data.parent / content.get("path", "")).resolve()
    folders = [root / content[options.split]] if isinstance(content[options.split], str) else []
    labels = Path(str(folders[0]).replace("/images/", "/labels/")) if folders else root
    caches = set(labels.parent.glob("*.cache"))
    with tempfile.TemporaryDirectory() as folder:
        # The package looks for `path: .` beside itself.
        file = Path(folder) / "data.yaml"
        file.write_text(yaml.safe_dump({**content, "path": str(root)}))
        start = time.perf_counter()
        result = val.run(data=str(file), weights=str(weights), imgsz=imgsz, batch_size=options.batch, task=options.split,
                         device="cpu", workers=0, plots=False, project=folder, **more)[0]
        seconds = time.perf_counter() - start
    for cache in set(labels.parent.glob("*.cache")) - caches:
        cache.unlink()
    return result, seconds


def reference(data, weights, imgsz, options):
    """Figures of all classes together (None) and of each class that has labels."""
    seen = {}
    ap_per_class = val.ap_per_class

    def listen(*args, **kwargs):
        seen["classes"] = ap_per_class(*args, **kwargs)
        return seen["classes"]

    val.ap_per_class = listen
    result, seconds = run_reference(data, weights, imgsz, options)
    val.ap_per_class = ap_per_class
    figures = {None: result[:4]}
    if "classes" in seen:
        _, _, p, r, _, ap, classes = seen["classes"]
        figures |= {int(c): (p[i], r[i], ap[i, 0], ap[i].mean()) for i, c in enumerate(classes)}
    return {key: tuple(map(float, value)) for key, value in figures.items()}, seconds


def program(data, weights, imgsz, options):
    command = [options.program, "val", "--data", data, "--weights", weights, "--split", options.split, "--imgsz", imgsz,
               "--batch", options.batch, "--device", "cpu", "--threads", options.threads, "--json"]
    start = time.perf_counter()
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if run.returncode:
        sys.exit(run.stderr)
    report = json.loads(run.stdout)
    figures = {None: (report["precision"], report["recall"], report["map50"], report["map50_95"])}
    return figures | {c["class"]: tuple(c[figure] for figure in FIGURES) for c in report["per_class"]}, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    parser.add_argument("--imgsz", type=int, nargs="+", default=[640])
    parser.add_argument("--split", default="val")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--limit", type=float, default=0.002)
    options = parser.parse_args()
    quiet(options.threads)

    worst = 0.0
    print(f"{'model, px, class':28s} {'distillscope P, R, mAP50, mAP50-95':>40s} {'reference':>40s} {'difference':>11s} {'seconds':>15s}")
    for weights in options.weights:
        for imgsz in options.imgsz:
            ours, our_seconds = program(options.data, weights, imgsz, options)
            theirs, their_seconds = reference(options.data, weights, imgsz, options)
            for key in sorted(ours.keys() | theirs.keys(), key=lambda key: -1 if key is None else key):
                mine, other = (figures.get(key, (0.0,) * 4) for figures in (ours, theirs))
                difference = max(abs(a - b) for a, b in zip(mine, other))
                worst = max(worst, difference)
                name = f"{weights.name} {imgsz}" if key is None else f"  class {key}"
                seconds = f"{our_seconds:6.1f} {their_seconds:8.1f}" if key is None else ""
                row = ["".join(f"{value:10.6f}" for value in figures) for figures in (mine, other)]
                print(f"{name:28s} {row[0]:>40s} {row[1]:>40s} {difference:11.6f} {seconds:>15s}", flush=True)
    print(f"largest difference {worst:.6f}, limit {options.limit}")
    sys.exit(worst > options.limit)


if __name__ == "__main__":
    main()
