"""Trains the two models of sample_data/ with the reference YOLOv5 v7.0 (PyPI's yolov5==7.0.14), from scratch, on the CPU.

    python3 -m venv REF && REF/bin/pip install torch==2.11.0 torchvision==0.26.0 "numpy<2.3" "setuptools<80"
    REF/bin/pip install --no-deps yolov5==7.0.14 ultralytics==8.0.230 py-cpuinfo
    REF/bin/pip install opencv-python-headless pandas pyyaml requests tqdm matplotlib seaborn psutil scipy thop ipython gitpython tensorboard fire pillow
    REF/bin/python scripts/sample_models.py train teacher 200
    REF/bin/python scripts/sample_models.py train student 60
    REF/bin/python scripts/sample_models.py val teacher        # mAP on the val pictures, 320 px

The package's own trainer, losses and evaluation are used as they are. What is replaced is what would reach for the internet (a
hub, a font, a data set service), and the forward pass of training runs under bfloat16 autocast, several times faster on CPUs.
"""
import os
import sys
import tempfile
import types
from pathlib import Path

os.environ.update(YOLOv5_AUTOINSTALL="false", WANDB_MODE="disabled")
import numpy as np
import torch

service = types.ModuleType("yolov5.utils.roboflow")
service.RoboflowConnector, service.check_dataset_roboflow = object, lambda data, *_, **__: data
sys.modules[service.__name__] = service
if not hasattr(np, "trapz"):
    np.trapz = np.trapezoid
plain_load = torch.load
torch.load = lambda *args, **kwargs: plain_load(*args, **{**kwargs, "weights_only": False})  # whole pickled modules

import yaml
import yolov5
from yolov5.models.yolo import Model
from yolov5.utils import general

general.check_font = general.check_amp = lambda *_, **__: None
from yolov5 import train, val

for module in [m for name, m in sys.modules.items() if name.startswith("yolov5.") and hasattr(m, "attempt_download_from_hub")]:
    module.attempt_download_from_hub = lambda *_, **__: None

PACKAGE = Path(yolov5.__file__).parent
SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
CONFIGS = {"teacher": "yolov5s", "student": "yolov5n"}


def bfloat16_training():
    plain = Model.forward

    def forward(self, x, *args, **kwargs):
        if not self.training:
            return plain(self, x, *args, **kwargs)
        with torch.autocast("cpu", torch.bfloat16):
            heads = plain(self, x.contiguous(memory_format=torch.channels_last), *args, **kwargs)
        return [head.float() for head in heads] if isinstance(heads, list) else heads

    Model.forward = forward


def data_file(folder):
    """data.yaml with the folder spelled out: the package looks for `path: .` beside itself."""
    data = yaml.safe_load((SAMPLE / "data.yaml").read_text())
    file = Path(folder) / "data.yaml"
    file.write_text(yaml.safe_dump({**data, "path": str(SAMPLE)}))
    return file


def teach(role, epochs):
    bfloat16_training()
    with tempfile.TemporaryDirectory() as folder:
        train.run(data=str(data_file(folder)), weights="", cfg=str(PACKAGE / f"models/{CONFIGS[role]}.yaml"), imgsz=320, epochs=epochs, batch_size=16,
                  hyp=str(PACKAGE / "data/hyps/hyp.scratch-low.yaml"), device="cpu", workers=0, cache="ram", noplots=True, noval=True, project=folder, name="run", seed=0)
        trained = torch.load(Path(folder) / "run/weights/last.pt", map_location="cpu")
    model = (trained.get("ema") or trained["model"]).float().eval()
    del trained
    for name in ("hyp", "class_weights"):  # the trainer's own notes
        if hasattr(model, name):
            delattr(model, name)
    model.yaml_file = f"{CONFIGS[role]}.yaml"
    (SAMPLE / "models").mkdir(exist_ok=True)
    torch.save({"epoch": -1, "best_fitness": None, "model": model.half(), "ema": None, "updates": None, "optimizer": None, "opt": None, "git": None,
                "date": None}, SAMPLE / f"models/{role}.pt")


def measure(role):
    with tempfile.TemporaryDirectory() as folder:
        (precision, recall, map50, map95, *_), *_ = val.run(data=str(data_file(folder)), weights=str(SAMPLE / f"models/{role}.pt"), imgsz=320, batch_size=8,
                                                            device="cpu", workers=0, plots=False, project=folder)
    for cache in (SAMPLE / "labels").glob("*.cache*"):
        cache.unlink()
    print(f"{role}: precision {precision:.3f}  recall {recall:.3f}  mAP50 {map50:.3f}  mAP50-95 {map95:.3f}")


if __name__ == "__main__":
    job, role = sys.argv[1:3]
    teach(role, int(sys.argv[3])) if job == "train" else measure(role)
    for cache in (SAMPLE / "labels").glob("*.cache*"):
        cache.unlink(missing_ok=True)
