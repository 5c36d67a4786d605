#!/usr/bin/env python3
"""Checks that YOLOv5 v7.0 loads the .pt files that `distillscope convert --to pt` writes, and finds the right weights in them.

    python3 scripts/pt_parity.py FILE.pt ... [--program target/release/distillscope] [--val DATA.yaml] [--keep DIR]

Needs a Python environment with torch, safetensors, numpy and the package yolov5==7.0.14. For every file: converts it to
safetensors, moves every floating-point tensor but the anchors by a known amount, stores these as float32, converts back
into the file's own modules, loads the result with upstream's `attempt_load`, not fused, and compares every parameter and
buffer, and the heads on a noise image, with the file's own module into which the same tensors were put in Python. Both have
to be equal bit by bit. A zip reader checks every record, and with --val upstream's val.py runs on the result and
on the file that Python saves. Exit 1 on any difference.
"""
import argparse
import logging
import subprocess
import sys
import tempfile
import time
import types
import zipfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

stub = types.ModuleType("yolov5.utils.roboflow")  # for downloads alone, and it needs their client
stub.RoboflowConnector = object
stub.check_dataset_roboflow = lambda data, *args, **kwargs: data
sys.modules["yolov5.utils.roboflow"] = stub
torch_load = torch.load
torch.load = lambda *args, **kwargs: torch_load(*args, **{**kwargs, "weights_only": False})
if not hasattr(np, "trapz"):
    np.trapz = np.trapezoid
import yolov5.models.common  # noqa: E402
import yolov5.models.experimental as experimental  # noqa: E402
import yolov5.models.yolo  # noqa: E402
import yolov5.utils.general as general  # noqa: E402

for name in ("models", "models.common", "models.yolo"):  # class paths of a clone of the repository
    sys.modules.setdefault(name, sys.modules[f"yolov5.{name}"])
general.check_font = lambda *args, **kwargs: None
general.time = types.SimpleNamespace(**{**vars(time), "time": lambda: 0.0})  # NMS gives up on a slow machine otherwise
import yolov5.val as validation  # noqa: E402

for module in [m for n, m in sys.modules.items() if n.startswith("yolov5.") and hasattr(m, "attempt_download_from_hub")]:
    module.attempt_download_from_hub = lambda *args, **kwargs: None
ROOT = Path(__file__).resolve().parent.parent


def moved(name, tensor, seed):
    """What training might make of a tensor: noise of a hundredth of its size."""
    if name.endswith("num_batches_tracked"):
        return tensor + 123
    if "anchor" in name:
        return tensor
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(tensor.shape, generator=generator)
    value = tensor.float()
    return value * (1 + 0.01 * noise) if name.endswith("running_var") else value + 0.01 * noise * value.abs().mean()


def difference(ours, theirs):
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return float("inf")
    return float((ours.double() - theirs.double()).abs().max()) if ours.numel() else 0.0


def evaluate(weights, data):
    results, maps, *_ = validation.run(data=data, weights=str(weights), imgsz=320, batch_size=16, workers=0, device="cpu",
                                      plots=False, save_dir=Path(tempfile.mkdtemp()), project=tempfile.mkdtemp())
    return [float(value) for value in results[:4]] + [float(value) for value in maps]


@torch.no_grad()
def check(file, program, folder, data):
    plain, trained, out = (folder / f"{file.stem}{suffix}" for suffix in (".plain.safetensors", ".safetensors", ".out.pt"))
    run = lambda *parts: subprocess.run([str(part) for part in (program, "convert", *parts)], check=True)  # noqa: E731
    run("--weights", file, "--to", "safetensors", "--out", plain)
    with safe_open(plain, "pt") as opened:
        metadata = opened.metadata()
        tensors = {name: moved(name, opened.get_tensor(name), seed) for seed, name in enumerate(sorted(opened.keys()))}
    save_file(tensors, trained, metadata)
    run("--weights", trained, "--to", "pt", "--source", file, "--out", out)

    if zipfile.ZipFile(out).testzip() is not None:
        return f"{file.name}: a record of the zip is damaged", False
    source = torch.load(file, map_location="cpu")
    expected = source.get("ema") or source["model"]
    before = {name: tensor.clone() for name, tensor in expected.state_dict().items()}
    expected.load_state_dict(tensors)  # rounds to the dtype of the file
    saved = folder / f"{file.stem}.python.pt"
    torch.save({**source, "model": deepcopy(expected), "ema": None}, saved)
    expected = expected.float().eval()
    ours = experimental.attempt_load(str(out), fuse=False)
    ours_state, expected_state = ours.state_dict(), expected.state_dict()
    same_names = list(ours_state) == list(expected_state)
    worst = max(difference(ours_state[name], tensor) for name, tensor in expected_state.items()) if same_names else float("inf")
    changed = sum(not torch.equal(before[name].float(), tensor.float()) for name, tensor in ours_state.items())
    x = torch.rand((2, 3, 192, 256), generator=torch.Generator().manual_seed(1))
    heads = max(difference(a, b) for a, b in zip(ours(x)[1], expected(x)[1]))
    fused = experimental.attempt_load(str(out))(x)[0]
    fused = float((fused - expected(x)[0]).abs().max() / expected(x)[0].abs().max())
    names = expected.names if isinstance(expected.names, dict) else dict(enumerate(expected.names))  # as attempt_load makes them
    text = (f"{file.name}: {len(ours_state)} tensors, {changed} changed, worst difference {worst:g}; heads {heads:g}; "
            f"fused boxes {fused:.1e} relative; names {'kept' if ours.names == names else 'LOST'}")
    good = worst == 0 and heads == 0 and fused < 1e-3 and ours.names == names and changed > len(before) // 2
    if data:
        of_ours, of_python = evaluate(out, data), evaluate(saved, data)
        text += f"; val.py {['%.4f' % value for value in of_ours[:4]]}, the same file saved by Python {['%.4f' % value for value in of_python[:4]]}"
        good = good and of_ours == of_python
    return text, good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--program", default=ROOT / "target/release/distillscope")
    parser.add_argument("--val", metavar="DATA.yaml", help="also run upstream's val.py on this data set, 320 px")
    parser.add_argument("--keep", help="leave the files in this folder")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    all_good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for file in args.files:
            text, good = check(file, args.program, folder, args.val)
            print(text, flush=True)
            all_good = all_good and good
    print("passed" if all_good else "FAILED")
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main())
