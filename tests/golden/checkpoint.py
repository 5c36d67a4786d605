"""Writes the checkpoints that tests/models/checkpoint_golden.rs reads, and what torch says is in them.

    python tests/golden/checkpoint.py            (needs torch and yolov5==7.0.14)

A narrow model of nine layers keeps the files small. Besides what upstream's trainer writes today there is a file as
v5.0 wrote it (its stem and pooling, its class paths, anchors in px as a second buffer), a bare state_dict with
channels_last weights, and the TorchScript of upstream's export. The archive of the state_dict is named in 21 letters,
with which its first directory entry is as long as the zip64 records at its end.
"""
import json
import sys
import zipfile
from pathlib import Path

import torch
from yolov5 import export
from yolov5.models import common, experimental, yolo

HERE = Path(__file__).parent
SPEC = {
    "nc": 3,
    "depth_multiple": 0.33,
    "width_multiple": 0.125,
    "anchors": [[4, 5, 8, 7], [13, 17, 30, 24]],
    "backbone": [
        [-1, 1, "Conv", [64, 6, 2, 2]],
        [-1, 1, "Conv", [64, 3, 2]],
        [-1, 1, "C3", [64]],
        [-1, 1, "Conv", [128, 3, 2]],
        [-1, 1, "SPPF", [128, 5]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 2], 1, "Concat", [1]],
        [-1, 1, "C3", [64, False]],
        [[7, 4], 1, "Detect", ["nc", "anchors"]],
    ],
}


def build(spec, names):
    torch.manual_seed(0)
    model = yolo.DetectionModel(json.loads(json.dumps(spec)), ch=3)
    for module in model.modules():  # statistics as after training, not zeros and ones
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.num_batches_tracked.fill_(7)
    model.names = names
    return model.eval()


def save(path, model, ema=None):
    """As upstream's trainer does it."""
    rest = {"best_fitness": None, "updates": None, "optimizer": None, "opt": None, "git": None, "date": None}
    torch.save({"epoch": -1, "model": model, "ema": ema, **rest}, path)


def expected(file, tensors, model, **more):
    detect = model.model[-1]
    return {
        "file": file,
        "names": list(model.names.values()) if isinstance(model.names, dict) else list(model.names),
        "strides": detect.stride.int().tolist(),
        "anchors_px": (detect.anchors.float() * detect.stride.view(-1, 1, 1)).tolist(),
        "tensors": {name: describe(tensor) for name, tensor in tensors.items()},
        **more,
    }


def describe(tensor):
    values = tensor.double().flatten()
    return {
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "sample": values[:: max(1, len(values) // 2)][:3].tolist(),
        "sum": values.sum().item(),
    }


def without_debug_files(path):
    """Leaves out the line numbers of the traced code, which name this machine's folders."""
    with zipfile.ZipFile(path) as archive:
        kept = [(info, archive.read(info)) for info in archive.infolist() if not info.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in kept:
            archive.writestr(zipfile.ZipInfo(info.filename), content, info.compress_type)


def paths_of_a_clone():
    """The class paths of a clone of the repository, instead of the package's."""
    for module in (common, yolo, experimental):
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__.startswith("yolov5.models"):
                thing.__module__ = thing.__module__.removeprefix("yolov5.")


def main():
    results = []

    model = build(SPEC, {0: "kite", 1: "鳥", 2: "boat"})
    save(HERE / "checkpoint_v7.pt", model=model.half())
    results.append(expected("checkpoint_v7.pt", model.state_dict(), model, activation="SiLU", yaml=model.yaml))

    exported = build(SPEC, {0: "kite", 1: "鳥", 2: "boat"})
    save(HERE / "checkpoint.pt", model=exported)
    export.run(weights=str(HERE / "checkpoint.pt"), imgsz=(32, 48), include=("torchscript",), device="cpu")
    (HERE / "checkpoint.pt").unlink()
    without_debug_files(HERE / "checkpoint.torchscript")
    scripted = torch.jit.load(HERE / "checkpoint.torchscript")
    results.append(expected("checkpoint.torchscript", scripted.state_dict(), exported, traced_size=[32, 48]))

    last = build(SPEC, {0: "kite", 1: "鳥", 2: "boat"}).half().to(memory_format=torch.channels_last)
    torch.save(last.state_dict(), HERE / "checkpoint_state_dict.pt")
    results.append(expected("checkpoint_state_dict.pt", last.state_dict(), last))

    # v5.0: Focus, SPP, LeakyReLU in the files before it, a list of names, anchor_grid as a buffer, models.yolo.Model.
    spec = json.loads(json.dumps(SPEC).replace('["SPPF"', '["SPP"'))
    spec["backbone"][0] = [-1, 1, "Focus", [64, 3]]
    spec["backbone"][4] = [-1, 1, "SPP", [128, [3, 5]]]
    common.Conv.default_act = torch.nn.LeakyReLU(0.1)
    old = build(spec, ["kite", "bird", "boat"])
    detect = old.model[-1]
    grid = (detect.anchors * detect.stride.view(-1, 1, 1)).view(2, 1, -1, 1, 1, 2).clone()
    del detect.anchor_grid
    detect.register_buffer("anchor_grid", grid)
    paths_of_a_clone()
    yolo.DetectionModel.__name__ = yolo.DetectionModel.__qualname__ = "Model"
    old.half()
    save(HERE / "checkpoint_v5.pt", model=torch.nn.Identity(), ema=old)
    results.append(expected("checkpoint_v5.pt", old.state_dict(), old, activation={"LeakyReLU": {"slope": 0.1}}, yaml=old.yaml))

    text = json.dumps(results, ensure_ascii=False).replace('"model.', '\n"model.').replace('{"file"', '\n{"file"')
    (HERE / "checkpoint.json").write_text(text + "\n")


sys.exit(main())
