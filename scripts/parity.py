#!/usr/bin/env python3
"""Checks the networks against YOLOv5 v7.0's own, tensor by tensor.

    python3 scripts/parity.py [--program target/release/distillscope] [--models n s l s6 p2] [--keep DIR]

Needs a Python environment with torch, safetensors, numpy, pillow and the package yolov5==7.0.14. For
every model: builds it with random weights and batch-norm statistics of its own, saves it, runs `distillscope inspect
--tensors` on a noise image, feeds the tensor `input` of its answer to the reference and compares every neck and head in
float32; the program folds its batch-norms, the reference does not. Models: n s m l x, their P6 variants (s6), and the aliases below.
Passes when max |program - reference| is at most 1e-4 of max |reference| everywhere. Exit 1 otherwise.
"""
import argparse
import logging
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

stub = types.ModuleType("yolov5.utils.roboflow")  # for downloads alone, and it needs their client
stub.RoboflowConnector = stub.check_dataset_roboflow = object
sys.modules["yolov5.utils.roboflow"] = stub
import yolov5  # noqa: E402
from yolov5.models.yolo import Model  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = Path(yolov5.__file__).parent / "models"
LIMIT = 1e-4
ALIASES = {"p2": "yolov5-p2", "p6": "yolov5-p6", "p7": "yolov5-p7", "p34": "yolov5-p34", "fpn": "yolov5-fpn",
           "bifpn": "yolov5-bifpn", "panet": "yolov5-panet", "leaky": "yolov5s-LeakyReLU", "ghost": "yolov5s-ghost",
           "transformer": "yolov5s-transformer", "v3": "yolov3", "v3-spp": "yolov3-spp", "v3-tiny": "yolov3-tiny"}
# Rows and columns; 320 x 320 for the others.
SIZES = {"n": [(320, 320), (640, 640)], "s": [(320, 320), (640, 640), (384, 640), (640, 224)], "l": [(320, 320), (640, 640)],
         "s6": [(320, 320), (384, 640)], "p7": [(384, 384)]}


def build(name, seed):
    """A config of the package: random weights, statistics of a noise batch, then everything in the norms perturbed."""
    from yolov5.models.common import Conv

    Conv.default_act = torch.nn.SiLU()  # one config changes it for all that follow
    torch.manual_seed(seed)
    (config,) = CONFIGS.rglob(f"{ALIASES.get(name, 'yolov5' + name)}.yaml")
    model = Model(str(config)).float()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.rand(2, 3, 256, 256))
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.2)
            norm.running_mean.add_(torch.randn_like(norm.running_mean) * 0.2 * norm.running_var.sqrt())
            norm.running_var.mul_(torch.empty_like(norm.running_var).uniform_(0.7, 1.4))
    return model.eval()


@torch.no_grad()
def reference(model, x):
    necks = []
    hook = model.model[-1].register_forward_pre_hook(lambda _, args: necks.extend(t.clone() for t in args[0]))
    heads = model(x)[1]
    hook.remove()
    return necks, heads


def run(program, weights, size, folder):
    rows, cols = size
    image, tensors, labels = folder / "noise.png", folder / "out.safetensors", folder / "noise.txt"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (rows, cols, 3), dtype=np.uint8)).save(image)
    labels.write_text("0 0.5 0.5 0.3 0.4\n")
    command = [program, "inspect", "--image", image, "--labels", labels, "--teacher", weights, "--student", weights,
               "--imgsz", f"{rows},{cols}", "--device", "cpu", "--tap", "neck", "--tensors", tensors]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return load_file(tensors)


def relative(ours, theirs):
    return float((ours - theirs).abs().max() / theirs.abs().max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/distillscope")
    parser.add_argument("--models", nargs="+", default=["n", "s", "l", "s6", "p2"])
    parser.add_argument("--size", nargs=2, type=int, metavar=("ROWS", "COLS"), help="this input size alone")
    parser.add_argument("--keep", help="leave the checkpoints and tensors in this folder")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    worst = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed, name in enumerate(args.models):
            model = build(name, seed)
            weights = folder / f"{name}.pt"
            torch.save({"model": model, "ema": None, "epoch": -1, "optimizer": None, "date": None}, weights)
            for size in [tuple(args.size)] if args.size else SIZES.get(name, [(320, 320)]):
                ours = run(args.program, weights, size, folder)
                x = ours["input"][None]
                assert x.shape[2:] == size, f"{name}: the program's input is {tuple(x.shape[2:])}, asked for {size}"
                necks, heads = reference(model, x)
                line = []
                for stride, neck, head in zip(model.stride.tolist(), necks, heads):
                    scale = f"p{int(stride).bit_length() - 1}"
                    for role in ("teacher", "student"):
                        errors = (relative(ours[f"{scale}.{role}"], neck[0]), relative(ours[f"{scale}.head.{role}"], head[0]))
                        worst = max(worst, *(error if error == error else float("inf") for error in errors))
                    line.append(f"{scale} {errors[0]:.1e} {errors[1]:.1e}")
                print(f"{name:12} {size[0]}x{size[1]:<5} neck, head of " + " | ".join(line), flush=True)
    print(f"worst {worst:.2e}, limit {LIMIT:g}: {'passed' if worst <= LIMIT else 'FAILED'}")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
