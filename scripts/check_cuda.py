#!/usr/bin/env python3
"""Checks CUDA against the CPU on a machine with an NVIDIA GPU: parity, times, memory.

    python3 scripts/check_cuda.py [--program target/release/distillscope] [--imgsz 640]
                                  [--image I --teacher T --student S]

Runs `distillscope inspect` on both devices and compares every neck and head: max |cuda - cpu| must be at most
1e-3 of max |cpu| in float32. Without models of your own it uses the sample session's. Needs Python 3 alone; where the
program does not find its libtorch, set LD_LIBRARY_PATH to PyTorch 2.11's lib folder. Exit 1 when a check fails.
"""
import argparse
import array
import json
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/distillscope")
    parser.add_argument("--imgsz", default=640, type=int)
    parser.add_argument("--image", default=next((ROOT / "sample_data/images/val").glob("*.jpg"), None))
    parser.add_argument("--teacher", default=ROOT / "sample_data/models/teacher.pt")
    parser.add_argument("--student", default=ROOT / "sample_data/models/student.pt")
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
    print(f"worst {worst:.2e}, limit {LIMIT:g}: {'FAILED' if failed else 'passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
