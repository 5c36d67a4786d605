"""Large data sets and long runs through the program: seconds and memory of each.

    cargo build --release && python scripts/load.py          (a few minutes, 1 GB of disk)

Works with the standard library alone. Draws what it needs into a temporary folder: a data set of 100,000 pictures (links to a
few, each with its own label file), one whose pictures have 2,000 boxes each, and the tables of a run of a million steps.
What the window takes for them is measured by `cargo bench --bench load`, in milliseconds a frame. Prints one table; leaves with 1 where something took more than the bounds given here, or did not end well.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faults import MODEL, png

GIB = 1 << 30
# As a run of three scales writes it.
STEPS_CSV = Path(__file__).parent.parent / "tests/fuzz/seeds/steps.csv"


def dataset(folder, pictures, boxes, side=64):
    """A split of so many pictures with so many boxes each; links to one picture a folder of 1,000."""
    for split, count in (("train", pictures), ("val", max(8, pictures // 100))):
        for start in range(0, count, 1000):
            images, labels = (folder / kind / split / f"{start:07}" for kind in ("images", "labels"))
            images.mkdir(parents=True)
            labels.mkdir(parents=True)
            first = images / "0.png"
            first.write_bytes(png(side, side, lambda x, y: (3 * x % 256, 5 * y % 256, start // 1000 % 256)))
            columns = max(1, int(boxes**0.5))
            rows = [
                f"{i % 2} {(i % columns + 0.5) / columns:.5f} {(i // columns % columns + 0.5) / columns:.5f} "
                f"{0.8 / columns:.5f} {0.7 / columns:.5f}\n"
                for i in range(boxes)
            ]
            for i in range(min(1000, count - start)):
                if i:
                    os.link(first, images / f"{i}.png")
                (labels / f"{i}.txt").write_text("".join(rows))
    (folder / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnames: [even, odd]\n")
    return folder / "data.yaml"


def long_run(folder, steps, per_epoch=1000):
    """The tables of a run of three scales."""
    folder.mkdir()
    names = STEPS_CSV.read_text().splitlines()[0].split(",")
    with (folder / "steps.csv").open("w") as file:
        file.write(",".join(names) + "\n")
        for step in range(steps):
            value = 1 + (step * 2654435761 % 1000) / 1000
            known = {"step": step, "epoch": step // per_epoch, "images": 16}
            fields = [str(known.get(name, 5 if "cells" in name else f"{value:.12}")) for name in names]
            file.write(",".join(fields) + "\n")
    return folder


class Measure:
    def __init__(self, binary):
        self.binary, self.held = binary, True
        print("| What | s | GiB at most | |\n|---|---|---|---|", flush=True)

    def row(self, what, seconds, gib, most_seconds, most_gib, note=""):
        bad = [text for text in (f"above {most_seconds} s" if seconds > most_seconds else "",
                                 f"above {most_gib} GiB" if gib > most_gib else "") if text]
        self.held &= not bad
        print(f"| {what} | {seconds:.1f} | {gib:.2f} | {', '.join(bad) or note} |", flush=True)

    def run(self, what, arguments, most_seconds, most_gib):
        begin = time.monotonic()
        process = subprocess.Popen([self.binary, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env={**os.environ, "OMP_NUM_THREADS": "1"})
        error = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        if status:
            self.held = False
            print(f"| {what} | {seconds:.1f} | | FAILED: {error.strip().splitlines()[-1:]} |", flush=True)
            return
        self.row(what, seconds, usage.ru_maxrss * 1024 / GIB, most_seconds, most_gib)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/distillscope", type=Path)
    parser.add_argument("--images", default=100_000, type=int)
    parser.add_argument("--boxes", default=2_000, type=int)
    parser.add_argument("--steps", default=1_000_000, type=int)
    options = parser.parse_args()
    binary = options.binary.resolve()
    if not binary.is_file():
        sys.exit(f"{binary}: not there; cargo build --release makes it")
    folder = Path(tempfile.mkdtemp(prefix="distillscope-load-"))
    try:
        student = folder / "student.yaml"
        student.write_text(MODEL.replace("WIDTH", "0.125"))
        many = dataset(folder / "many", options.images, 3)
        dense = dataset(folder / "dense", 64, options.boxes, 640)
        run = long_run(folder / "long", options.steps)
        measure = Measure(binary)
        train = ["train", "--teacher", "none", "--student", student, "--device", "cpu", "--threads", 1, "--workers", 1]
        for data, what in ((many, f"{options.images:,} pictures"), (dense, f"{options.boxes:,} boxes a picture")):
            measure.run(f"survey, {what}", ["survey", "--data", data, "--imgsz", 640], 600, 4)
            few = ["--data", data, "--imgsz", 64 if data == many else 640, "--batch", 4, "--no-augmentation"]
            out = folder / f"run-{data.parent.name}"
            measure.run(f"train, 20 steps, {what}", [*train, *few, "--steps", 20, "--out", out], 600, 4)
            few.remove("--no-augmentation")
            measure.run(f"with mosaic, {what}", [*train, *few, "--steps", 20, "--out", f"{out}-mosaic"], 600, 4)
        kept = folder / "run-many"
        shutil.copy(run / "steps.csv", kept / "steps.csv")
        picture = next((folder / "dense/images/val").rglob("*.png"))
        measure.run(f"a run of {options.steps:,} steps read and drawn", ["story", picture, "--run", kept, "--out", folder / "story"], 120, 4)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if measure.held else 1)


if __name__ == "__main__":
    main()
