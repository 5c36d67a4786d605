#!/usr/bin/env python3
"""Checks a GPU against the CPU, and every loss, tap and precision against float32: one table, exit 1 when a row fails.

    python3 scripts/check_cuda.py [--program target/release/distillscope] [--device cuda] [--imgsz 640]
                                  [--image I --teacher T --student S --data D]

1. Parity: `inspect` on both devices, every neck and head: max |gpu - cpu| at most 1e-3 of max |cpu|, in float32 without TF32.
2. A step: the losses of the first training step, without TF32, agree with the CPU's to 1e-3.
3. Every loss at every tap it has, in every precision: lambda above 0 in all steps, every loss finite, the distance between the
   models smaller in the last steps than in the first ones; in bfloat16 and float16 (and in float32 with TF32) the loss of the
   first step, on the same weights, within 0.5 % of float32's, and that of ten steps together within 2 %. (A single later step
   of a few small images says less: there the batch-norms' statistics let any two roundings part.)
4. Out of memory: a batch no GPU takes ends in one line that says so and what would fit; `--batch auto` finds one that fits.
5. Not one line of libtorch's own warnings on stderr, in any of the runs.

With --device cpu the same comparisons run without a GPU, as far as the CPU has the precision (bfloat16), and --batch auto must be
refused in one line. Without models of your own it uses the sample session's. Needs Python 3 alone; where the program does
not find its libtorch, set LD_LIBRARY_PATH to PyTorch 2.11's lib folder.
"""
import argparse
import array
import csv
import json
import math
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARITY, FIRST, HALF = 1e-3, 5e-3, 0.02
STEPS, COMPARED = 20, 10
# A third of the short recipe's: what is compared is the arithmetic, and not how far two descents part.
RATE = 0.001
SUBJECTS = [("answers", "head"), ("logits", "head"), ("features", "neck"), ("features", "backbone"),
            ("correlation", "neck"), ("correlation", "backbone")]
# libtorch's own lines begin with [W or [WARN; a deprecated call names itself.
NOISE = re.compile(r"^\[W|deprecat|Warning: ", re.MULTILINE)


class Table:
    """Rows as they come, and whether one of them failed."""
    WIDTHS = (12, 9, 15, 9, 19, 9, 9, 8)

    def __init__(self):
        self.failed = 0
        self.line("what", "tap", "precision", "lambda", "distance", "off", "s/step", "MiB", "")

    def line(self, *cells):
        print("  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, self.WIDTHS)) + "  " + cells[-1], flush=True)

    def row(self, what, tap="", precision="", lam="", distance="", off="", seconds="", memory="", faults=()):
        self.failed += bool(faults)
        self.line(what, tap, precision, lam, distance, off, seconds, memory, "FAILED: " + "; ".join(faults) if faults else "ok")


def run(command):
    """Exit code, stdout and stderr."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def noise(stderr):
    return [f"libtorch says: {line.strip()}" for line in stderr.splitlines() if NOISE.search(line)][:1]


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            yield name, array.array("f", data[begin:end])


def inspect(args, device, folder):
    tensors, report = folder / f"{device}.safetensors", folder / f"{device}.json"
    code, _, stderr = run([args.program, "inspect", "--image", args.image, "--teacher", args.teacher, "--student", args.student,
                           "--imgsz", args.imgsz, "--device", device, "--tensors", tensors, "--json", report])
    if code:
        sys.exit(f"inspect on {device}: {stderr.strip()}")
    return dict(read_safetensors(tensors)), json.loads(report.read_text()), noise(stderr)


def parity(args, folder, table):
    (cpu, _, _), (other, report, faults) = (inspect(args, device, folder) for device in ("cpu", args.device))
    worst = 0.0
    for name in cpu:
        if name.endswith((".teacher", ".student")):
            largest = max(map(abs, cpu[name]), default=0.0)
            error = max((abs(a - b) for a, b in zip(cpu[name], other[name], strict=True)), default=0.0)
            worst = max(worst, error / largest if largest else error)
    if not worst <= PARITY:
        faults.append(f"more than {PARITY:g} off the CPU")
    table.row("inspect", precision="float32", off=f"{worst:.1e}", seconds=f"{report['seconds']['teacher']:.3f}", faults=faults)


def gpu_memory():
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    used = subprocess.run(query, capture_output=True, text=True).stdout
    return max((int(line) for line in used.split() if line.isdigit()), default=0)


def train(args, folder, name, device, *options):
    """Rows of steps.csv, stderr, and the most GPU memory in MiB that was seen; exits where the run fails."""
    out = Path(folder) / name
    command = [args.program, "train", "--data", args.data, "--teacher", args.teacher, "--student", args.student, "--imgsz", args.train_imgsz,
               "--batch", args.batch, "--steps", STEPS, "--set", f"lr0={RATE}", "--no-augmentation", "--evaluate-every", "1000", "--evaluate-start", "false",
               "--device", device, "--out", out, *options]
    with open(Path(folder) / f"{name}.stderr", "w+") as stderr:
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=stderr)
        memory = 0
        while process.poll() is None:
            memory = max(memory, gpu_memory()) if device != "cpu" else 0
            time.sleep(0.2)
        stderr.seek(0)
        text = stderr.read()
    if process.returncode:
        return None, text, memory
    return list(csv.DictReader((out / "steps.csv").open())), text, memory


def numbers(row, prefix):
    return [float(value) for name, value in row.items() if name.startswith(prefix) and value]


def first_step(args, folder, table):
    rows = []
    for name, device in (("first-cpu", "cpu"), ("first-other", args.device)):
        found, stderr, _ = train(args, folder, name, device, "--amp", "off", "--tf32", "false")
        if found is None:
            table.row("first step", precision="float32", faults=[last_line(stderr)])
            return
        rows.append(found[0])
    cpu, other = rows
    off = max(abs(float(other[term]) / float(cpu[term]) - 1) for term in ("box", "objectness", "class") if float(cpu[term]))
    table.row("first step", precision="float32", off=f"{off:.1e}", faults=[] if off <= PARITY else ["not the CPU's"])


def last_line(text):
    return (text.strip().splitlines() or ["no message"])[-1]


def precisions(device):
    whole = [("float32", ("--amp", "off", "--tf32", "false"))]
    if device == "cpu":
        return whole + [("bfloat16", ("--amp", "bf16"))]
    return whole + [("float32, TF32", ("--amp", "off")), ("bfloat16", ("--amp", "bf16")), ("float16", ("--amp", "fp16"))]


def losses(args, folder, table):
    for loss, tap in SUBJECTS:
        whole = None
        for precision, options in precisions(args.device):
            name = f"{loss}-{tap}-{precision.replace(', ', '-')}"
            where = () if tap == "head" else ("--tap", tap)
            rows, stderr, memory = train(args, folder, name, args.device, "--imitation", loss, *where, *options)
            if rows is None:
                table.row(loss, tap, precision, faults=[last_line(stderr)])
                continue
            faults = noise(stderr)
            distances = [sum(numbers(row, "distance_")) for row in rows]
            begin, end = statistics.mean(distances[:5]), statistics.mean(distances[-5:])
            if not all(float(row["lambda"]) > 0 for row in rows):
                faults.append("lambda is 0")
            if not all(math.isfinite(float(row["total"])) for row in rows):
                faults.append("a loss is not finite")
            if not end < begin:
                faults.append("the distance does not fall")
            whole = whole or rows
            same, off = (abs(total(rows[:steps]) / total(whole[:steps]) - 1) for steps in (1, COMPARED))
            if not same <= FIRST:
                faults.append(f"more than {FIRST:.1%} off float32 on the same weights")
            if not off <= HALF:
                faults.append(f"more than {HALF:.0%} off float32")
            seconds = statistics.median(float(row["seconds"]) for row in rows[5:])
            table.row(loss, tap, precision, f"{float(rows[-1]['lambda']):.3g}", f"{begin:.4g} -> {end:.4g}", f"{same:.0e} {off:.0e}",
                      f"{seconds:.3f}", memory or "", faults)


def total(rows):
    return sum(float(row["total"]) for row in rows)


def one_line(stderr, *words):
    said = [line for line in stderr.strip().splitlines() if line]
    missing = [word for word in words if word not in stderr]
    return [f"does not say {' or '.join(missing)}: {last_line(stderr)}"] if missing else [] if said else ["says nothing"]


def memory(args, folder, table):
    common = [args.program, "train", "--data", args.data, "--teacher", args.teacher, "--student", args.student, "--imgsz", args.train_imgsz,
              "--steps", "2", "--evaluate-start", "false", "--device", args.device]
    code, _, stderr = run([*common, "--batch", "auto", "--out", Path(folder) / "auto"])
    if args.device == "cpu":
        faults = one_line(stderr, "give a number") + ([] if code else ["it ran"])
        table.row("batch auto", faults=faults)
        return
    found = re.search(r"batches of (\d+) images fit", stderr)
    table.row("batch auto", distance=found[0] if found else "", faults=[] if found and not code else [last_line(stderr)])
    code, _, stderr = run([*common, "--imgsz", "4096", "--batch", "512", "--out", Path(folder) / "full"])
    table.row("too large", distance="4096 px, batch 512", faults=one_line(stderr, "memory") + ([] if code else ["it ran"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/distillscope")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--imgsz", default=640, type=int)
    parser.add_argument("--image", default=next((ROOT / "sample_data/images/val").glob("*.jpg"), None))
    parser.add_argument("--teacher", default=ROOT / "sample_data/models/teacher.pt")
    parser.add_argument("--student", default=ROOT / "sample_data/models/student.pt")
    parser.add_argument("--data", default=ROOT / "sample_data/data.yaml")
    parser.add_argument("--train-imgsz", default=320, type=int)
    parser.add_argument("--batch", default=8, type=int)
    args = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        for check in (parity, first_step, losses, memory):
            check(args, Path(folder), table)
    print("passed" if not table.failed else f"{table.failed} rows FAILED")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
