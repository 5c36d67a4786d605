"""Trains the two models of sample_data/ with the reference YOLOv5 v7.0 (PyPI's yolov5==7.0.14), from scratch, on the CPU.

    python3 -m venv REF && REF/bin/pip install torch==2.11.0 torchvision==0.26.0 "numpy<2.3" "setuptools<80"
    REF/bin/pip install --no-deps yolov5==7.0.14 ultralytics==8.0.230 py-cpuinfo
    REF/bin/pip install opencv-python-headless pandas pyyaml requests tqdm matplotlib seaborn psutil scipy thop ipython gitpython tensorboard fire pillow
    REF/bin/python scripts/sample_models.py train teacher 100
    REF/bin/python scripts/sample_models.py train student 40
    REF/bin/python scripts/sample_models.py val teacher        # mAP on the val pictures, 320 px

The package's own models, mosaics, loss and evaluation are used as they are; the loop around them is here, short, with more steps than the
package's trainer takes on so few pictures. What would reach for the internet (a hub, a font, a data set service) is replaced.
"""
import os
import sys
import tempfile
import time
import types
from copy import deepcopy
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

general.check_font = lambda *_, **__: None
from yolov5 import val
from yolov5.utils.dataloaders import create_dataloader
from yolov5.utils.loss import ComputeLoss
from yolov5.utils.torch_utils import ModelEMA

for module in [m for name, m in sys.modules.items() if name.startswith("yolov5.") and hasattr(m, "attempt_download_from_hub")]:
    module.attempt_download_from_hub = lambda *_, **__: None

PACKAGE = Path(yolov5.__file__).parent
SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
CONFIGS = {"teacher": "yolov5s", "student": "yolov5n"}


def data_file(folder):
    """data.yaml with the folder spelled out: the package looks for `path: .` beside itself."""
    data = yaml.safe_load((SAMPLE / "data.yaml").read_text())
    file = Path(folder) / "data.yaml"
    file.write_text(yaml.safe_dump({**data, "path": str(SAMPLE)}))
    return file


def teach(role, epochs):
    """AdamW, a step a batch of 16 mosaics, one cycle of the learning rate, an exponential mean of the weights; forward in bfloat16."""
    torch.manual_seed(0)
    general.init_seeds(0)
    data = yaml.safe_load((SAMPLE / "data.yaml").read_text())
    hyp = yaml.safe_load((PACKAGE / "data/hyps/hyp.scratch-low.yaml").read_text())
    names = data["names"]
    hyp["cls"] *= len(names) / 80
    model = Model(str(PACKAGE / f"models/{CONFIGS[role]}.yaml"), nc=len(names)).to(memory_format=torch.channels_last).train()
    model.hyp, model.names, model.nc = hyp, names, len(names)
    loader, _ = create_dataloader(str(SAMPLE / data["train"]), 320, 16, 32, hyp=hyp, augment=True, cache="ram", workers=0, shuffle=True)
    mean, loss_of = ModelEMA(model, tau=100), ComputeLoss(model)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    steps = epochs * len(loader)
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=2e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.15)
    for epoch in range(epochs):
        start, total = time.time(), 0.0
        for images, targets, *_ in loader:
            images = (images.float() / 255).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                heads = model(images)
            loss, _ = loss_of([head.float() for head in heads], targets)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            schedule.step()
            mean.update(model)
            total += loss.item() / len(images)
        print(f"{role} epoch {epoch + 1}/{epochs}  loss {total / len(loader):.3f}  {time.time() - start:.1f} s", flush=True)
        if (epoch + 1) % 10 == 0 or epoch + 1 == epochs:
            keep(mean.ema, role, names)


def keep(model, role, names):
    """A checkpoint as the package writes it, but of the model alone: no optimizer, options, dates or folders."""
    model = deepcopy(model).to(memory_format=torch.contiguous_format).eval()
    model.names, model.yaml_file = names, f"{CONFIGS[role]}.yaml"
    del model.hyp
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
