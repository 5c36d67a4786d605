#!/usr/bin/env python3
"""Writes tests/golden/evaluate/*.json: what YOLOv5 v7.0 and OpenCV make of small random inputs.

    python3 scripts/golden_evaluate.py

Needs the environment of scripts/val_parity.py (yolov5==7.0.14, opencv-python-headless; written with 5.0.0). Every number that goes
in is exact in float32, and no two scores are equal, so that no sort has a choice.
"""
import json
import os
import sys
import types
from pathlib import Path

os.environ.update(YOLOv5_AUTOINSTALL="false", WANDB_MODE="disabled")
import cv2
import numpy as np
import torch

service = types.ModuleType("yolov5.utils.roboflow")
service.RoboflowConnector, service.check_dataset_roboflow = object, lambda data, *_, **__: data
sys.modules[service.__name__] = service
if not hasattr(np, "trapz"):
    np.trapz = np.trapezoid
from yolov5.utils import general

general.check_font = lambda *_, **__: None
from yolov5.utils.general import non_max_suppression
from yolov5.utils.metrics import ap_per_class
from yolov5.val import process_batch

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "golden" / "evaluate"
sys.path.insert(0, str(ROOT / "tests" / "golden"))
from letterbox import noise  # noqa: E402

# Image width and height, then the size it is shrunk to.
AREAS = [
    (37, 29, 20, 16),  # less than two pixels in one
    (53, 41, 9, 7),    # nearly six
    (40, 30, 16, 12),  # two and a half
    (32, 24, 16, 12),  # two by two
    (36, 24, 12, 8),   # three by three
    (30, 24, 15, 8),   # two by three
    (49, 20, 1, 1),    # 1 / (1 / 49) is not 49 in floats
    (20, 33, 20, 31),  # one side only
    (60, 2, 31, 1),    # one row is left
]


def areas():
    out = []
    for width, height, to_width, to_height in AREAS:
        small = cv2.resize(noise(width, height), (to_width, to_height), interpolation=cv2.INTER_AREA)
        out.append({"from": [width, height], "to": [to_width, to_height], "rgb": small.tobytes().hex()})
    return out


def matches(draw):
    """Images of labels and of detections near them (best first), and at how many of the ten thresholds each counts."""
    iouv = torch.linspace(0.5, 0.95, 10)
    out = []
    for labels, detections, classes in [(6, 24, 2), (1, 9, 1), (12, 30, 1), (3, 5, 3)]:
        corners = draw.integers(0, 200, (labels, 2))
        truth = np.concatenate([corners, corners + draw.integers(20, 80, (labels, 2))], 1).astype(np.float32)
        truth_class = draw.integers(0, classes, labels)
        near = draw.integers(0, labels, detections)
        boxes = truth[near] + draw.integers(-24, 25, (detections, 4)).astype(np.float32) / 4
        found_class = np.where(draw.random(detections) < 0.8, truth_class[near], draw.integers(0, classes, detections))
        found = np.concatenate([boxes, np.linspace(0.9, 0.1, detections)[:, None], found_class[:, None]], 1)
        correct = process_batch(torch.tensor(found, dtype=torch.float32),
                                torch.tensor(np.concatenate([truth_class[:, None], truth], 1), dtype=torch.float32), iouv)
        out.append({"labels": [[int(c), *map(float, b)] for c, b in zip(truth_class, truth)],
                    "detections": [[int(c), *map(float, b)] for c, b in zip(found_class, boxes)],
                    "found": ["".join(map(str, row.int().tolist())) for row in correct]})
    return out


def average_precisions(draw):
    """Detections of several classes: score, class, thresholds at which it counts; some classes lack one or the other."""
    out = []
    for detections, labels in [(70, [9, 0, 14]), (12, [30]), (40, [3, 5, 0, 2, 6]), (1, [1, 1])]:
        scores = (draw.permutation(4000)[:detections] + 20) / 4096
        classes = draw.integers(0, len(labels), detections)
        if len(labels) > 3:
            classes[classes == 3] = 2  # labels without a detection, detections without a label
        order = np.argsort(-scores)
        scores, classes = scores[order], classes[order]
        # Better scores reach further; no more are found than there are labels.
        reach = np.clip(draw.normal(7 * scores - 1, 4), 0, 10).astype(int)
        for c, n in enumerate(labels):
            reach[np.where(classes == c)[0][n:]] = 0
        correct = np.arange(10)[None] < reach[:, None]
        targets = np.repeat(np.arange(len(labels)), labels)
        _, _, p, r, _, ap, present = ap_per_class(correct, scores.astype(np.float32), classes.astype(np.float32), targets, names={})
        shuffled = draw.permutation(detections)
        out.append({"labels": labels,
                    "detections": [[float(scores[i]), int(classes[i]), int(reach[i])] for i in shuffled],
                    "classes": [{"class": int(c), "precision": float(p[k]), "recall": float(r[k]), "ap": ap[k].tolist()}
                                for k, c in enumerate(present)]})
    return out


def suppressions(draw):
    """Decoded rows in clusters, and the boxes that stay at the evaluation's thresholds."""
    out = []
    for rows, classes in [(60, 3), (25, 1)]:
        centres = draw.integers(60, 240, (6, 2))[draw.integers(0, 6, rows)]
        boxes = np.concatenate([centres + draw.integers(-12, 13, (rows, 2)), draw.integers(40, 64, (rows, 2))], 1)
        chances = draw.permutation(4096)[: rows * (1 + classes)].reshape(rows, -1) / 4096
        chances[::7, 0] = 0.0005
        decoded = np.concatenate([boxes, chances], 1).astype(np.float32)
        kept = non_max_suppression(torch.tensor(decoded)[None], 0.001, 0.6, multi_label=True, max_det=300)[0]
        out.append({"classes": classes, "rows": [list(map(float, row)) for row in decoded],
                    "kept": [[int(row[5]), float(row[4]), *map(float, row[:4])] for row in kept]})
    return out


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(20)
    for name, cases in [("area", areas()), ("matching", matches(draw)), ("average_precision", average_precisions(draw)),
                        ("suppression", suppressions(draw))]:
        (FOLDER / f"{name}.json").write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
