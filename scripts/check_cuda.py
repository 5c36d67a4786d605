#!/usr/bin/env python3
"""Checks CUDA against the CPU on a machine with an NVIDIA GPU: parity, times, memory, training.

    python3 scripts/check_cuda.py [--program target/release/distillscope] [--imgsz 640]
                                  [--image I --teacher T --student S]

Runs `distillscope inspect` on both devices and compares every neck and head: max |cuda - cpu| must be at most
1e-3 of max |cpu| in float32. Then trains a few steps on both devices: the losses of the first step must agree to 1e-3, and a
run in float16 must end with finite losses; times a step and the GPU's memory are printed. Without models of your own it uses the sample session's. Needs Python 3 alone; where the
program does not find its libtorch, set LD_LIBRARY_PATH to PyTorch 2.11's lib folder. Exit 1 when a check fails.
"""
import argparse
import array
import csv
import json
import math
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1e-3


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
    command = [args.program, "inspect", "--image", args.image, "--teacher", args.teacher, "--student", args.student,
               "--imgsz", str(args.imgsz), "--device", device, "--tensors", tensors, "--json", report]
    start = time.monotonic()
    subprocess.run([str(part) for part in command], check=True)
    seconds = time.monotonic() - start
    return dict(read_safetensors(tensors)), json.loads(report.read_text()), seconds


def train(args, folder, name, *options):
    """Rows of steps.csv, and the most GPU memory in MiB that was seen."""
    out = Path(folder) / name
    command = [args.program, "train", "--data", args.data, "--teacher", args.teacher, "--student", args.student, "--imgsz", str(args.train_imgsz),
               "--steps", "20", "--no-augmentation", "--evaluate-every", "1000", "--out", out, *options]
    run = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    memory = 0
    while run.poll() is None:
        used = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], capture_output=True, text=True).stdout
        memory = max([memory, *(int(line) for line in used.split() if line.isdigit())])
        time.sleep(0.2)
    if run.returncode:
        sys.exit(f"training {name} failed")
    return list(csv.DictReader((out / "steps.csv").open())), memory


def check_training(args, folder):
    failed = False
    runs = {"cpu": ("--device", "cpu"), "cuda": ("--device", "cuda"), "cuda-fp16": ("--device", "cuda", "--amp", "fp16")}
    rows = {name: train(args, folder, name, *options) for name, options in runs.items()}
    first = {name: {term: float(steps[0][term]) for term in ("box", "objectness", "class")} for name, (steps, _) in rows.items()}
    for term, value in first["cpu"].items():
        error = abs(first["cuda"][term] - value) / max(abs(value), 1e-12)
        failed |= not error <= LIMIT
        print(f"train, step 0, {term:11} cpu {value:.6g}  cuda {first['cuda'][term]:.6g}  relative {error:.2e}")
    for name, (steps, memory) in rows.items():
        finite = all(math.isfinite(float(step["total"])) for step in steps)
        failed |= not finite
        seconds = statistics.median(float(step["seconds"]) for step in steps[5:])
        print(f"train {name:10} {seconds:.4f} s a step, {memory} MiB on the GPU, losses {'finite' if finite else 'NOT FINITE'}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/distillscope")
    parser.add_argument("--imgsz", default=640, type=int)
    parser.add_argument("--image", default=next((ROOT / "sample_data/images/val").glob("*.jpg"), None))
    parser.add_argument("--teacher", default=ROOT / "sample_data/models/teacher.pt")
    parser.add_argument("--student", default=ROOT / "sample_data/models/student.pt")
    parser.add_argument("--data", default=ROOT / "sample_data/data.yaml")
    parser.add_argument("--train-imgsz", default=320, type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cpu, cpu_report, cpu_seconds = inspect(args, "cpu", Path(folder))
        cuda, cuda_report, cuda_seconds = inspect(args, "cuda", Path(folder))
    worst, failed = 0.0, False
    for name in sorted(cpu):
        if not name.endswith((".teacher", ".student")):
            continue
        largest = max(map(abs, cpu[name]), default=0.0)
        error = max((abs(a - b) for a, b in zip(cpu[name], cuda[name], strict=True)), default=0.0)
        relative = error / largest if largest else error
        worst = max(worst, relative)
        failed |= not relative <= LIMIT
        print(f"{name:20} max|cpu| {largest:10.4g}   max|cuda - cpu| / max|cpu| {relative:.2e}")
    for model in ("teacher", "student"):
        times = [report["seconds"][model] for report in (cpu_report, cuda_report)]
        print(f"{model}: forward {times[0]:.3f} s on the CPU, {times[1]:.3f} s on CUDA (first call, warm-up included)")
    print(f"whole command: {cpu_seconds:.2f} s on the CPU, {cuda_seconds:.2f} s on CUDA")
    with tempfile.TemporaryDirectory() as folder:
        failed |= check_training(args, folder)
    print(f"worst of inspect {worst:.2e}, limit {LIMIT:g}: {'FAILED' if failed else 'passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
