#!/usr/bin/env python3
"""Times `distillscope val` beside YOLOv5 v7.0's own val.py: same machine, threads, model, size and batch, in turn.

    REF/bin/python scripts/val_speed.py --data data.yaml --weights s.pt [--imgsz 320] [--batch 32] [--threads 2] [--rounds 5]

REF is the environment of val_parity.py, whose two sides run here: the whole process of the program, the reference's run() without the
start of Python. Medians over the rounds of the wall time, and of the time of all cores together, which tells more on a machine that is
busy with other things. Exit 1 where the program's wall time is above `--goal` times the reference's.
"""
import argparse
import functools
import logging
import os
import resource
import statistics
import sys
from pathlib import Path

import torch
from tqdm import tqdm
from val_parity import PROGRAM, dataloaders, program, reference, val

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--weights", type=Path, nargs="+", required=True)
parser.add_argument("--imgsz", type=int, default=320)
parser.add_argument("--split", default="val")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--program", type=Path, default=PROGRAM)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--goal", type=float, default=1.0)


def timed(side, who, options, weights):
    """Wall and core seconds; `who` does the work: this process, or its children."""
    cores = lambda: sum(resource.getrusage(who)[:2])  # noqa: E731
    before = cores()
    _, seconds = side(options.data, weights, options.imgsz, options)
    return seconds, cores() - before


def main():
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.getLogger("yolov5").setLevel(logging.ERROR)
    val.tqdm = dataloaders.tqdm = functools.partial(tqdm, disable=True)
    reached = True
    for weights in options.weights:
        rounds = [(timed(program, resource.RUSAGE_CHILDREN, options, weights), timed(reference, resource.RUSAGE_SELF, options, weights))
                  for _ in range(options.rounds)]
        (wall, cores), (other_wall, other_cores) = ([statistics.median(figure) for figure in zip(*side)] for side in zip(*rounds))
        print(f"{weights.name}, {options.imgsz} px, batches of {options.batch}, {options.threads} threads: program {wall:.2f} s "
              f"({cores:.2f} s of one core), reference {other_wall:.2f} s ({other_cores:.2f} s), {wall / other_wall:.2f} times as long "
              f"({cores / other_cores:.2f})", flush=True)
        reached = reached and wall <= options.goal * other_wall
    sys.exit(not reached)


if __name__ == "__main__":
    main()
