#!/usr/bin/env python3
"""Checks `distillscope review` against YOLOv5 v7.0's own predictions, matched here once more.

    python3 scripts/review_check.py --data data.yaml --teacher t.pt --student s.pt [--imgsz 640] [--conf 0.25] [--iou 0.5]
        [--split val] [--batch 32] [--threads 2] [--program target/release/distillscope]

Needs the environment of scripts/val_parity.py. val.py runs each model over the split; its predictions and its ground truths, both
in px of the image, are matched by the rules of the review as they are written below, in numpy and with no line of the program's.
Compared are the outcome of every object for both models, the predictions without an object, and val.py's own confusion matrix;
confidences and IoUs to 1e-3, mAP to 2e-3 as in val_parity.py. Exit 1 where anything differs.

Not compared, but counted, is what lies within 1e-3 of a limit (confidence or IoU), where the last digits of a convolution decide.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import val_parity
from yolov5.utils.callbacks import Callbacks
from yolov5.utils.general import scale_boxes, xywh2xyxy
from yolov5.utils.metrics import ConfusionMatrix

NEAR = 0.1
CLOSE = 1e-3


def ious(a, b):
    """IoU of every box of a with every box of b, [N, 4] and [M, 4] → [N, M]."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area = lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return both / (area(a)[:, None] + area(b)[None] - both + 1e-7)


def outcomes(predictions, classes, boxes, limit):
    """One (kind, confidence, IoU) a label, the kinds of the predictions that are left, and whether all is clear of the limits.

    predictions: [N, 6], x1 y1 x2 y2 confidence class, the most confident first."""
    overlap = ious(predictions[:, :4], boxes)
    given, kinds, clear = {}, {}, True
    own = predictions[:, 5][:, None] == classes[None]
    for kind in ("found", "wrong-class", "poorly-placed"):
        for p in range(len(predictions)):
            if p in given.values() or len(boxes) == 0:
                continue
            # Where a prediction goes: to what it overlaps most, of its own class, or of any.
            row = overlap[p] if kind == "wrong-class" else np.where(own[p], overlap[p], -1)
            label = int(np.flatnonzero(row == row.max())[-1])
            iou = row[label]
            if iou < 0:
                continue
            second = np.delete(row, label)
            clear &= abs(iou - limit) > CLOSE and abs(iou - NEAR) > CLOSE
            clear &= iou < NEAR or not (abs(second - iou) < CLOSE).any()
            fits = {"found": iou >= limit, "wrong-class": iou >= limit and not own[p, label],
                    "poorly-placed": NEAR <= iou < limit}[kind]
            if fits and label not in given:
                given[label] = p
                kinds[label] = (kind, float(predictions[p, 4]), float(iou))
    left = [p for p in range(len(predictions)) if p not in given.values()]
    strays = ["duplicate" if len(boxes) and overlap[p].max() >= limit else "background" for p in left]
    return [kinds.get(label, ("missed", None, None)) for label in range(len(boxes))], sorted(strays), clear


def confusion(predictions, classes, boxes, count):
    """The confusion matrix of one image, and whether two overlaps in it are equal: there upstream's sort leaves it to chance."""
    matrix, overlap = np.zeros((count + 1, count + 1), int), ious(boxes, predictions[:, :4])
    over = [(overlap[l, p], l, p) for l in range(len(boxes)) for p in range(len(predictions)) if overlap[l, p] > 0.45]
    values = sorted(value for value, _, _ in over)
    tie = any(b - a < 1e-5 for a, b in zip(values, values[1:]))
    tie |= bool((abs(overlap - 0.45) < CLOSE).any())
    # Every prediction keeps its best label, every label the best of those: the more confident of equal ones.
    best = {}
    for value, l, p in over:
        if p not in best or value > best[p][0]:
            best[p] = (value, l)
    of_label = {}
    for p in sorted(best):
        value, l = best[p]
        if l not in of_label or value > of_label[l][0]:
            of_label[l] = (value, p)
    for l, c in enumerate(classes.astype(int)):
        matrix[int(predictions[of_label[l][1], 5]) if l in of_label else count, c] += 1
    if of_label:
        for p in set(range(len(predictions))) - {p for _, p in of_label.values()}:
            matrix[int(predictions[p, 5]), count] += 1
    return matrix, tie


def predictions_of(weights, options, count):
    """val.py's predictions and ground truths, px of the image, by the image's path; its confusion matrix; its mAP."""
    images = {}

    def listen(_batch, im, targets, paths, shapes, preds):
        for place, pred in enumerate(preds):
            labels = targets[targets[:, 0] == place, 1:].clone()
            boxes, found = xywh2xyxy(labels[:, 1:5]), pred.clone()
            for moved in (boxes, found[:, :4]):
                scale_boxes(im[place].shape[1:], moved, shapes[place][0], shapes[place][1])
            labels[:, 1:5] = boxes
            images[str(Path(paths[place]).resolve())] = (found, labels)

    callbacks = Callbacks()
    callbacks.register_action("on_val_batch_end", callback=listen)
    result, _ = val_parity.run_reference(options.data, weights, options.imgsz, options, callbacks=callbacks)
    # As val.py hands images over; where no sort has a choice, the matrix above is upstream's.
    total, ties = np.zeros((count + 1, count + 1), int), 0
    for path, (found, labels) in images.items():
        upstream = ConfusionMatrix(nc=count, conf=options.conf)
        if len(labels) and len(found):
            upstream.process_batch(found, labels)
        elif len(labels):
            upstream.process_batch(None, labels[:, 0])
        predictions, truths = found[found[:, 4] > options.conf].numpy().astype(np.float64), labels.numpy().astype(np.float64)
        own, tie = confusion(predictions, truths[:, 0], truths[:, 1:5], count)
        ties += tie
        if not tie and (own != upstream.matrix).any():
            sys.exit(f"{path}: the matrix of this script is not upstream's")
        total += own
    return images, (total, ties), result


def program(options, folder):
    out = Path(folder) / "review.json"
    command = [options.program, "review", "--data", options.data, "--teacher", options.teacher, "--student", options.student,
               "--split", options.split, "--imgsz", options.imgsz, "--batch", options.batch, "--conf", options.conf,
               "--iou", options.iou, "--device", "cpu", "--threads", options.threads, "--json", out]
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return json.loads(out.read_text())


def compare(role, report, reference, options):
    """Differences, objects compared, images left aside."""
    images, (matrix, ties), result = reference
    differences, compared, aside, tipped = [], 0, 0, 0
    for index, image in enumerate(report["images"]):
        path = str((Path.cwd() / image["path"]).resolve())
        found, labels = images[path]
        found, labels = found.numpy().astype(np.float64), labels.numpy().astype(np.float64)
        objects = [o for o in report["objects"] if o["image"] == index]
        # Each object's label: the same box, whatever the order.
        boxes = np.array([o["box"] for o in objects]).reshape(-1, 4)
        same = ious(boxes, labels[:, 1:5]).argmax(1) if len(boxes) else np.array([], int)
        if len(labels) != len(objects) or len(set(same)) != len(same):
            differences.append(f"{path}: {len(objects)} objects, {len(labels)} labels")
            continue
        predictions = found[found[:, 4] > options.conf]
        expected, strays, clear = outcomes(predictions, labels[:, 0], labels[:, 1:5], options.iou)
        clear &= not (abs(found[:, 4] - options.conf) < CLOSE).any()
        if not clear:
            aside += 1
            tipped += sum(o["outcomes"][role]["outcome"] != expected[label][0] for o, label in zip(objects, same))
            continue
        for o, label in zip(objects, same):
            ours, (kind, confidence, iou) = o["outcomes"][role], expected[label]
            near = lambda a, b: (a is None and b is None) or abs(a - b) < CLOSE
            if ours["outcome"] != kind or not near(ours["confidence"], confidence) or not near(ours["iou"], iou):
                differences.append(f"{path} {o['label']}: {ours['outcome']} {ours['confidence']} {ours['iou']}, not {kind} {confidence} {iou}")
        compared += len(objects)
        ours = sorted(u["kind"] for u in report["unmatched"] if u["image"] == index and u["model"] == role)
        if ours != strays:
            differences.append(f"{path}: without an object {ours}, not {strays}")
    ours = np.array(report["confusion"]["models"][role]["matrix"])
    apart = abs(ours - matrix).sum()
    model = next(model for model in report["models"] if model["role"] == role)
    off = max(abs(model["map50"] - result[2]), abs(model["map50_95"] - result[3]))
    print(f"{role:8s} {compared} objects of {len(report['images']) - aside} images compared, {len(differences)} differences; "
          f"{aside} images within {CLOSE} of a limit, {tipped} objects differ there; confusion matrix off by {apart} "
          f"({ties} images with equal overlaps), mAP off by {off:.6f}", flush=True)
    for line in differences[:10]:
        print("   ", line)
    # A prediction that tips at a limit moves by one field at most.
    return len(differences) + (apart > 2 * aside) + (off > 0.002)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "teacher", "student"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--iou", type=float, default=0.5)
    parser.add_argument("--split", default="val")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--program", type=Path, default=val_parity.PROGRAM)
    options = parser.parse_args()
    val_parity.quiet(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        report = program(options, folder)
    count = len(report["confusion"]["names"]) - 1
    wrong = 0
    for role in ("teacher", "student"):
        wrong += compare(role, report, predictions_of(getattr(options, role), options, count), options)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
