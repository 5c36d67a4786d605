#!/usr/bin/env python3
"""Checks the files of a run's folder with the programs that others read them with.

    python3 scripts/tensorboard_check.py RUN

Needs tensorboard and pandas, and for its last check the package yolov5==7.0.14. TensorBoard's own reader loads the event
files; every scalar has to be what results.csv and steps.csv say, step by step, also across a resume. pandas has to read
both tables as numbers alone, and YOLOv5's plot_results has to draw results.csv. Exit 1 otherwise.
"""
import logging
import math
import shutil
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import pandas as pd
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

YOLOV5 = ["epoch", "train/box_loss", "train/obj_loss", "train/cls_loss", "metrics/precision", "metrics/recall", "metrics/mAP_0.5",
          "metrics/mAP_0.5:0.95", "val/box_loss", "val/obj_loss", "val/cls_loss", "x/lr0", "x/lr1", "x/lr2"]


def same(value, table, digits):
    if not math.isfinite(table):
        return math.isnan(value) == math.isnan(table) and (math.isnan(table) or value == table)
    return abs(value - table) <= digits * max(abs(table), 1e-38)


def compare(events, table, prefix, axis, but, digits):
    """Every number of a table against the scalars of its tag; the number of them, and what is wrong."""
    count, wrong = 0, []
    for column in table.columns.drop(but):
        known = {int(row[axis]): row[column] for _, row in table.iterrows() if not pd.isna(row[column])}
        tag = prefix + column
        seen = {e.step: e.value for e in events.Scalars(tag)} if tag in events.Tags()["scalars"] else {}
        finite = {step for step, value in seen.items() if not math.isnan(value)}  # pandas takes NaN for unknown
        if finite != set(known):
            wrong.append(f"{tag}: steps {sorted(finite ^ set(known))[:5]} are in one of both only")
        wrong += [f"{tag} at {step}: {seen[step]}, not {known[step]}" for step in finite & set(known) if not same(seen[step], known[step], digits)]
        count += len(known)
    return count, wrong


def plot(results):
    stub = types.ModuleType("yolov5.utils.roboflow")  # for downloads alone, and it needs their client
    stub.RoboflowConnector = stub.check_dataset_roboflow = object
    sys.modules["yolov5.utils.roboflow"] = stub
    import yolov5.utils.plots as plots

    errors = []
    plots.LOGGER.info = errors.append  # it logs what goes wrong, and goes on
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(results, folder)
        plots.plot_results(Path(folder) / "results.csv")
        drawn = (Path(folder) / "results.png").is_file()
    return [error for error in errors if "error" in error] + ([] if drawn else ["nothing was drawn"])


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    run = Path(sys.argv[1])
    logging.disable(logging.WARNING)
    wrong = []
    results, steps = pd.read_csv(run / "results.csv"), pd.read_csv(run / "steps.csv")
    results.columns = [name.strip() for name in results.columns]  # as everyone does with YOLOv5's
    if list(results.columns[:14]) != YOLOV5:
        wrong.append(f"results.csv begins with {list(results.columns[:14])}")
    for name, table in ("results.csv", results), ("steps.csv", steps):
        wrong += [f"{name}: {column} is {dtype}" for column, dtype in table.dtypes.items() if not np.issubdtype(dtype, np.number)]
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    counts = []
    for part in (events, results, "", "epoch", ["epoch", "step", "best"], 1e-4), (events, steps, "step/", "step", ["step", "epoch"], 1e-6):
        count, more = compare(*part)
        counts.append(count)
        wrong += more
    (text,) = events.Tensors("config/text_summary")
    config = text.tensor_proto.string_val[0].decode()
    if not config.startswith("```toml\n") or events.SummaryMetadata("config/text_summary").plugin_data.plugin_name != "text":
        wrong.append("the configuration is no text of TensorBoard")
    wrong += plot(run / "results.csv")
    files = len(list(run.glob("events.out.tfevents.*")))
    print(f"{len(results)} epochs, {len(steps)} steps, {files} event files; {counts[0]} + {counts[1]} scalars as in the tables; "
          f"a text of {len(config)} characters")
    print("\n".join(wrong[:20]) + "\nFAILED" if wrong else "passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
