#!/usr/bin/env python3
"""Paired runs that choose the defaults of the imitation: every candidate against the same run without imitation.

    python3 scripts/search_defaults.py --data data.yaml --teacher t.pt --student s.pt --out DIR [--seeds 3] [NAME ...]

Candidates are listed in CANDIDATES; without names all of them run. The twin (lambda = 0) runs once a seed: it does not depend
on the imitation's options. `--jobs N` runs so many at a time, each with `--threads T` cores. A run that lies finished in DIR is
not repeated, so a search can be broken off and go on. The table goes to stdout and to DIR/table.md: mAP of the last epoch,
mean over the seeds, and the mean difference to the twin of the same seed ± its sample standard deviation.
"""
import argparse
import json
import shutil
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TWIN = "twin"
CANDIDATES = {
    # The recipe itself, without imitation.
    TWIN: ["--teacher", "none"],
    "twin, warmup_bias_lr 0.01": ["--teacher", "none", "--set", "warmup_bias_lr=0.01"],
    "twin, lr0 0.005": ["--teacher", "none", "--set", "lr0=0.005", "--set", "warmup_bias_lr=0.005"],
    # The tap neck: a linear adapter.
    "neck, random adapter, lambda 0.01": ["--tap", "neck", "--adapter-start", "random", "--lambda", "0.01"],
    "neck, ratio 0.2": ["--tap", "neck", "--lambda-ratio", "0.2"],
    "neck, ratio 0.5": ["--tap", "neck", "--lambda-ratio", "0.5"],
    "neck, ratio 1": ["--tap", "neck", "--lambda-ratio", "1"],
    "neck, ratio 0.5, normalised": ["--tap", "neck", "--lambda-ratio", "0.5", "--normalise", "true"],
    "neck, ratio 0.5, per-scale": ["--tap", "neck", "--lambda-ratio", "0.5", "--level-rule", "per-scale"],
    "neck, ratio 0.5, adapter lr x10": ["--tap", "neck", "--lambda-ratio", "0.5", "--adapter-lr", "10"],
    # The tap head: no adapter.
    "head, lambda 0.002": ["--tap", "head", "--lambda", "0.002"],
    "head, ratio 0.2": ["--tap", "head", "--lambda-ratio", "0.2"],
    "head, ratio 0.5": ["--tap", "head", "--lambda-ratio", "0.5"],
    "head, ratio 1": ["--tap", "head", "--lambda-ratio", "1"],
    "head, ratio 2": ["--tap", "head", "--lambda-ratio", "2"],
    "head, ratio 0.5, normalised": ["--tap", "head", "--lambda-ratio", "0.5", "--normalise", "true"],
    "head, ratio 2, cosine": ["--tap", "head", "--lambda-ratio", "2", "--lambda-decay", "cosine"],
    "head, ratio 5, cosine": ["--tap", "head", "--lambda-ratio", "5", "--lambda-decay", "cosine"],
    "head, ratio 10, cosine": ["--tap", "head", "--lambda-ratio", "10", "--lambda-decay", "cosine"],
    "neck, ratio 2, cosine": ["--tap", "neck", "--lambda-ratio", "2", "--lambda-decay", "cosine"],
    "head, ratio 2, cosine, per-scale": ["--tap", "head", "--lambda-ratio", "2", "--lambda-decay", "cosine", "--level-rule", "per-scale"],
    "head, ratio 1, psi 0.3": ["--tap", "head", "--lambda-ratio", "1", "--psi", "0.3"],
    "head, ratio 1, per-scale": ["--tap", "head", "--lambda-ratio", "1", "--level-rule", "per-scale"],
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default="target/release/distillscope")
parser.add_argument("--data", required=True)
parser.add_argument("--teacher", required=True)
parser.add_argument("--student", required=True)
parser.add_argument("--out", required=True, type=Path)
parser.add_argument("--imgsz", default="320")
parser.add_argument("--epochs", default="20")
parser.add_argument("--batch", default="16")
parser.add_argument("--nominal-batch", default="16")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--jobs", type=int, default=1)
parser.add_argument("--threads", default="2")
parser.add_argument("names", nargs="*", metavar="NAME", help="of CANDIDATES")
args = parser.parse_args()
unknown = set(args.names) - set(CANDIDATES)
if unknown:
    parser.error(f"no such candidate: {', '.join(sorted(unknown))}; there are: {'; '.join(CANDIDATES)}")


def folder(name, seed):
    return args.out / "".join(c if c.isalnum() else "-" for c in name) / f"seed-{seed}"


def result(name, seed):
    file = folder(name, seed) / "result.json"
    return json.loads(file.read_text()) if file.exists() else None


def run(job):
    name, seed = job
    if result(name, seed):
        return
    out = folder(name, seed)
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [args.program, "train", "--data", args.data, "--student", args.student, "--imgsz", args.imgsz, "--epochs", args.epochs,
               "--batch", args.batch, "--nominal-batch", args.nominal_batch, "--seed", str(seed), "--threads", args.threads, "--workers", "1",
               "--out", str(out)]
    if "--lambda-decay" not in CANDIDATES[name]:
        command += ["--lambda-decay", "none"]
    if "--teacher" not in CANDIDATES[name]:
        command += ["--teacher", args.teacher]
    with open(out.parent / f"seed-{seed}.log", "w") as log:
        done = subprocess.run(command + CANDIDATES[name], stdout=log, stderr=log)
    print(f"{name}, seed {seed}: " + (json.dumps(result(name, seed)) if done.returncode == 0 else f"failed, see {log.name}"), flush=True)


def figures(values, digits=3):
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def table():
    rows = ["| candidate | seeds | distance, first → last epoch | mAP50 | mAP50-95 | mAP50 − twin | mAP50-95 − twin | minutes |",
            "|---|---|---|---|---|---|---|---|"]
    for name in CANDIDATES:
        found = {seed: result(name, seed) for seed in range(args.seeds)}
        found = {seed: r for seed, r in found.items() if r}
        if not found:
            continue
        mean = lambda key: statistics.mean(r[key] or 0.0 for r in found.values())
        distance = f"{mean('imitation_first'):.3g} → {mean('imitation_last'):.3g}" if "none" not in CANDIDATES[name] else "–"
        twins = {seed: result(TWIN, seed) for seed in found}
        lead = lambda key: figures([r[key] - twins[s][key] for s, r in found.items() if twins[s]] or [0.0]) if name != TWIN else "–"
        rows.append(f"| {name} | {len(found)} | {distance} | {mean('map50'):.3f} | {mean('map50_95'):.3f} | {lead('map50')} | {lead('map50_95')} "
                    f"| {mean('seconds') / 60:.1f} |")
    return "\n".join(rows)


names = args.names or list(CANDIDATES)
with ThreadPoolExecutor(args.jobs) as pool:
    list(pool.map(run, [(name, seed) for seed in range(args.seeds) for name in names]))
(args.out / "table.md").write_text(table() + "\n")
print(table())
