#!/usr/bin/env python3
"""Training batches of the program beside those of YOLOv5 v7.0's loader: same images, augmentation and number of workers, in turn.

    PYTHONPATH=DIR REF/bin/python scripts/loader_speed.py --data data.yaml [--imgsz 640] [--batch 16] [--workers 1 2]

DIR holds `yolov5_reference.py`, a module that imports `yolov5==7.0.14` without a network. Both sides augment by `--hyp`, by default
the package's hyp.scratch-low.yaml, and hand out batches as fast as they are taken: cached (`cache="ram"` there; here a run's cache,
filled before the clock starts) and with every image decoded each time. A worker is a process there and a thread here.

Each side runs `--rounds` times in turn for `--seconds`. The medians are given: images a second, and the milliseconds of one core
that an image took, which tell more on a machine that is busy with other things. Exit 1 where a median is below `--goal` times the
reference's images a second.
"""
import argparse
import json
import logging
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml

import yolov5_reference  # noqa: F401
import yolov5
from yolov5.utils.dataloaders import create_dataloader

LOW = Path(yolov5.__file__).parent / "data" / "hyps" / "hyp.scratch-low.yaml"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default="target/release/distillscope")
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--hyp", type=Path, default=LOW)
parser.add_argument("--imgsz", type=int, default=640)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
parser.add_argument("--seconds", type=float, default=10.0)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--goal", type=float, default=1.5)


def ours(args, workers, cached):
    command = [args.program, "bench", "--loader", "--data", args.data, "--hyp", args.hyp, "--imgsz", args.imgsz, "--batch", args.batch,
               "--workers", workers, "--seconds", args.seconds, "--json", "-", *([] if cached else ["--uncached"])]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    report = json.loads(done.stdout)
    return report["images_per_second"], 1e3 * report["cpu_per_image"]


def cpu_seconds():
    """Of this process and its workers."""
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (this, *this.children(recursive=True)))


def theirs(args, workers, cached):
    data = yaml.safe_load(args.data.read_text())
    folder = (args.data.parent / data.get("path", ".") / data["train"]).resolve()
    labels = Path(str(folder).replace("/images/", "/labels/")).parent
    caches = set(labels.glob("*.cache"))
    hyp = yaml.safe_load(args.hyp.read_text())
    loader, _ = create_dataloader(str(folder), args.imgsz, args.batch, 32, hyp=hyp, augment=True, cache="ram" if cached else None,
                                  workers=workers, shuffle=True)
    for cache in set(labels.glob("*.cache")) - caches:
        cache.unlink()
    # What the workers make in advance comes before the clock: torch's prefetch factor is 2.
    batches = (images for _ in range(10**9) for images, *_ in loader)
    for _ in range(2 * workers + 1):
        next(batches)
    begin, cpu, count = time.perf_counter(), cpu_seconds(), 0
    while time.perf_counter() - begin < args.seconds:
        count += len(next(batches))
    seconds, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
    loader.iterator._shutdown_workers()
    return count / seconds, 1e3 * cpu / count


def main():
    args = parser.parse_args()
    logging.getLogger("yolov5").setLevel(logging.ERROR)
    reached = True
    print(f"{args.data}, {args.imgsz} px, batches of {args.batch}, {args.hyp.name}, {args.rounds} rounds of {args.seconds:g} s")
    print(f"{'':24s} {'images/s: program':>18s} {'reference':>10s} {'times':>6s}   {'ms of a core: program':>22s} {'reference':>10s} {'times':>6s}")
    for cached in (True, False):
        for workers in args.workers:
            rounds = [(ours(args, workers, cached), theirs(args, workers, cached)) for _ in range(args.rounds)]
            (rate, cpu), (other_rate, other_cpu) = ([statistics.median(figure) for figure in zip(*side)] for side in zip(*rounds))
            name = f"{'cached' if cached else 'not cached'}, {workers} worker{'s' if workers > 1 else ''}"
            print(f"{name:24s} {rate:18.1f} {other_rate:10.1f} {rate / other_rate:6.2f}   {cpu:22.2f} {other_cpu:10.2f} "
                  f"{other_cpu / cpu:6.2f}", flush=True)
            reached = reached and rate >= args.goal * other_rate
    sys.exit(not reached)


if __name__ == "__main__":
    main()
