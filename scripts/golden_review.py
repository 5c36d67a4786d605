#!/usr/bin/env python3
"""Writes tests/golden/review/*.json: the curves of YOLOv5 v7.0's plots and its confusion matrix, of small random inputs.

    python3 scripts/golden_review.py

Needs the environment of scripts/val_parity.py (yolov5==7.0.14). `ap_per_class` and `ConfusionMatrix` are the package's own; what
it plots is caught on its way to matplotlib. Every number that goes in is exact in float32, and no two scores or overlaps are
equal, so that no sort has a choice.
"""
import json
import os
import sys
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
from yolov5.utils import general

general.check_font = lambda *_, **__: None
from yolov5.utils import metrics

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "review"
# Every so many of the thousand points are kept; the ends are among them.
KEPT = list(range(0, 1000, 27))


def plots(correct, scores, classes, targets):
    """By class index: precision over recall, then F1, precision and recall over confidence."""
    seen = []
    metrics.plot_pr_curve = lambda px, py, ap, *_: seen.append(np.stack(py))
    metrics.plot_mc_curve = lambda px, py, *_, **__: seen.append(py)
    metrics.ap_per_class(correct, scores, classes, targets, plot=True, names={})
    return seen


def curves(draw):
    """Detections of several classes: score, class, thresholds at which it counts. One class has labels and no detection."""
    out = []
    for detections, labels in [(70, [9, 0, 14]), (12, [30]), (40, [3, 5, 4, 2])]:
        scores = (draw.permutation(4000)[:detections] + 20) / 4096
        classes = draw.integers(0, len(labels), detections)
        if len(labels) > 3:
            classes[classes == 3] = 2
        order = np.argsort(-scores)
        scores, classes = scores[order], classes[order]
        reach = np.clip(draw.normal(7 * scores - 1, 4), 0, 10).astype(int)
        for c, n in enumerate(labels):
            reach[np.where(classes == c)[0][n:]] = 0
        correct = np.arange(10)[None] < reach[:, None]
        targets = np.repeat(np.arange(len(labels)), labels)
        over_recall, f1, precision, recall = plots(correct, scores.astype(np.float32), classes.astype(np.float32), targets)
        present = sorted(set(targets.tolist()))
        # Upstream leaves a class without detections out of precision over recall.
        rows = {c: over_recall[i] for i, c in enumerate([c for c in present if (classes == c).any()])}
        out.append({"labels": labels,
                    "detections": [[float(s), int(c), int(r)] for s, c, r in zip(scores, classes, reach)],
                    "classes": [{"class": c, "over_recall": rows[c][KEPT].tolist() if c in rows else None,
                                 "f1": f1[i][KEPT].tolist(), "precision": precision[i][KEPT].tolist(),
                                 "recall": recall[i][KEPT].tolist()} for i, c in enumerate(present)]})
    return out


def matrices(draw):
    """Images of labels and detections near them, as val.py hands them over: none where an image has no labels."""
    out = []
    for classes, images in [(3, 12), (1, 6), (5, 8)]:
        matrix = metrics.ConfusionMatrix(nc=classes)
        cases = []
        for image in range(images):
            labels, detections = int(draw.integers(0, 7)), int(draw.integers(0, 14))
            corners = draw.integers(0, 200, (labels, 2))
            truth = np.concatenate([corners, corners + draw.integers(20, 80, (labels, 2))], 1).astype(np.float32)
            truth_class = draw.integers(0, classes, labels)
            if labels:
                near = draw.integers(0, labels, detections)
                boxes = truth[near] + draw.integers(-60, 61, (detections, 4)).astype(np.float32) / 4
                found_class = np.where(draw.random(detections) < 0.7, truth_class[near], draw.integers(0, classes, detections))
            else:
                corners = draw.integers(0, 200, (detections, 2))
                boxes = np.concatenate([corners, corners + 40], 1).astype(np.float32)
                found_class = draw.integers(0, classes, detections)
            scores = np.sort(draw.permutation(4096)[:detections])[::-1] / 4096
            cases.append({"labels": [[int(c), *map(float, b)] for c, b in zip(truth_class, truth)],
                          "detections": [[int(c), float(s), *map(float, b)] for c, s, b in zip(found_class, scores, boxes)]})
            if labels:
                truths = torch.tensor(np.concatenate([truth_class[:, None], truth], 1), dtype=torch.float32)
                found = np.concatenate([boxes, scores[:, None], found_class[:, None]], 1)
                if detections:
                    matrix.process_batch(torch.tensor(found, dtype=torch.float32), truths)
                else:
                    matrix.process_batch(None, truths[:, 0])
        out.append({"classes": classes, "images": cases, "matrix": matrix.matrix.astype(int).tolist()})
    return out


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(15)
    for name, cases in [("curves", curves(draw)), ("confusion", matrices(draw))]:
        (FOLDER / f"{name}.json").write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
