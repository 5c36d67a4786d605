#!/usr/bin/env python3
"""Proves that a hand-over computes the program's imitation in YOLOv5's own trainer, and that bad input ends in one line.

    PYTHONPATH=DIR REF/bin/python scripts/handover_check.py --data data.yaml --teacher t.pt --student s.pt
        [--program target/release/distillscope] [--imgsz 160] [--batch 8] [--epochs 3] [--only verify,ranks,zero,train,faults,checkout]

DIR holds `yolov5_reference.py`, a module that imports `yolov5==7.0.14` without a network; REF is an environment with that package,
torch and safetensors. Everything runs on the CPU, on a copy of the data.

verify   every loss, mask source, tap and adapter: `launch.py --verify`: masks exactly, losses and gradients to 1e-4
ranks    the same over two processes with unequal shares of the images: the imitation's gradient to 1e-5; and where one of
         them has no ground truth at all
zero     λ = 0, from the trainer's own log: its losses bit for bit those of YOLOv5 alone
train    two processes train, stop, and go on; best.pt comes home with the mAP that YOLOv5 measures
faults   what cannot work is one line before the first step
checkout the same from a folder that is laid out as a checkout

Prints a line a case, exits 1 where one fails.
"""
import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", type=Path, default=HERE.parent / "target" / "release" / "distillscope")
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--teacher", type=Path, required=True)
parser.add_argument("--student", type=Path, required=True)
parser.add_argument("--imgsz", type=int, default=160)
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--launch", type=Path, help="another launch.py, in the place of the program's own")
parser.add_argument("--only", default="verify,ranks,zero,train,faults,checkout")
args = parser.parse_args()
work = Path(tempfile.mkdtemp(prefix="handover-"))
failures = 0

# In every process of Python, before anything of YOLOv5: the reference module makes the package importable. launch.py knows nothing of it.
(work / "site").mkdir()
(work / "site" / "sitecustomize.py").write_text("import os\nif os.environ.get('HANDOVER_REFERENCE'):\n    import yolov5_reference\n")
ENV = {**os.environ, "HANDOVER_REFERENCE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1", "TORCH_CPP_LOG_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}
ENV["PYTHONPATH"] = os.pathsep.join([str(work / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])

CASES = {
    "answers": ["--imitation", "answers"],
    "answers, mask iou": ["--imitation", "answers", "--mask-source", "iou"],
    "answers, mask teacher": ["--imitation", "answers", "--mask-source", "teacher"],
    "logits": ["--imitation", "logits", "--lambda", "0.01"],
    "logits, mask box": ["--imitation", "logits", "--mask-source", "box", "--lambda", "0.01"],
    "features": ["--imitation", "features"],
    "features 3x3, assigned, all scales": ["--imitation", "features", "--adapter-kernel", "3", "--level-rule", "assigned", "--norm", "all-scales"],
    "features, seed, per scale, normalised": ["--imitation", "features", "--iou", "seed", "--level-rule", "per-scale", "--normalise", "true", "--psi", "0.3"],
    "features, backbone, mask teacher": ["--imitation", "features", "--tap", "backbone", "--mask-source", "teacher"],
    "correlation": ["--imitation", "correlation"],
    "correlation, whole map": ["--imitation", "correlation", "--mask-source", "none"],
}


def say(what, ok, detail):
    global failures
    failures += not ok
    print(f"{'ok   ' if ok else 'FAILS'} {what:45} {detail}", flush=True)


def data():
    """A copy of the data: YOLOv5 writes caches beside the labels."""
    content = yaml.safe_load(args.data.read_text())
    root = (args.data.parent / content.get("path", ".")).resolve()
    shutil.copytree(root, work / "data", ignore=shutil.ignore_patterns("*.cache"))
    file = work / "data" / "check.yaml"
    file.write_text(yaml.safe_dump({**content, "path": str(work / "data")}))
    return file


DATA = data()


def hand_over(name, *options):
    out = work / re.sub(r"[^a-z0-9]+", "-", name)
    if not out.exists():
        command = [args.program, "handover", "--data", DATA, "--teacher", args.teacher, "--student", args.student, "--imgsz", args.imgsz,
                   "--batch", args.batch, "--epochs", args.epochs, "--device", "cpu", "--threads", "1", "--out", out, *options]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr}")
        if args.launch:
            shutil.copy(args.launch, out / "launch.py")
    return out


def port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def launch(folder, *options, ranks=1, env=(), limit=3000):
    """launch.py of a folder; the finished process, or None where it ran past the limit."""
    python = [sys.executable]
    if ranks > 1:
        python += ["-m", "torch.distributed.run", "--nproc_per_node", ranks, "--master_addr", "127.0.0.1", "--master_port", port()]
    command = [str(word) for word in [*python, folder / "launch.py", *options]]
    try:
        return subprocess.run(command, capture_output=True, text=True, env={**ENV, **dict(env)}, cwd=work, timeout=limit)
    except subprocess.TimeoutExpired:
        return None


def verified(name, done):
    """The largest figures of a run of --verify, as it printed them."""
    if done is None:
        return say(name, False, "ran past its limit")
    rows = re.findall(r"^  (.+?) +(\S+)  at most (\S+)  (ok|FAILS)$", done.stdout, re.M)
    text = "; ".join(f"{what} {value}" for what, value, _, _ in rows if float(value) > 0)
    text = text or ("every difference 0" if rows else done.stderr[-600:])
    say(name, done.returncode == 0 and len(rows) > 2, text)


def verify():
    for name, options in CASES.items():
        verified(f"verify: {name}", launch(hand_over(name, *options), "--verify"))


def ranks():
    for name, options in CASES.items():
        verified(f"two ranks: {name}", launch(hand_over(name, *options), "--verify", ranks=2))


LOST = """
import importlib.util, json, sys
from pathlib import Path
from safetensors.torch import save_file
spec = importlib.util.spec_from_file_location("launch", Path(sys.argv[1]) / "launch.py")
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
distil, train = launch.read_folder(), launch.upstream(None)
probe = launch.tensors(launch.HERE / "probe.safetensors")
probe["targets"] = probe["targets"][probe["targets"][:, 0] < 3].clone()
found = launch.Probe(distil, train, probe, 0, len(probe["images"]))
kept = {name: tensor for name, tensor in probe.items() if not name.startswith(("imitation/", "mask/"))}
new = {**kept, **found.masks, "loss/imitation": found.scales, **{"imitation/" + name: g for name, g in found.gradients.items()}}
save_file({name: tensor.detach().contiguous() for name, tensor in new.items()}, str(launch.HERE / "probe.safetensors"))
del distil["sha256"]["probe.safetensors"]
(launch.HERE / "distil.json").write_text(json.dumps(distil))
"""


def empty():
    """The second rank has images without a ground truth, so that none of its cells counts: what one process computes of the same."""
    for name in ("answers, mask iou", "features", "correlation"):
        folder = copied(hand_over(name, *CASES[name]), "empty")
        done = subprocess.run([sys.executable, "-c", LOST, str(folder)], capture_output=True, text=True, env=ENV, cwd=work)
        if done.returncode:
            say(f"an empty rank: {name}", False, done.stderr[-600:])
            continue
        verified(f"an empty rank: {name}", launch(folder, "--verify", ranks=2, limit=300))


def results(folder):
    """Columns of a results.csv."""
    lines = [[cell.strip() for cell in line.split(",")] for line in (folder / "results.csv").read_text().splitlines()]
    return {name: [row[at] for row in lines[1:]] for at, name in enumerate(lines[0])}


PLAIN = """
import json, sys, yolov5_reference
from yolov5 import train
inner, out = train.ComputeLoss, open(sys.argv.pop(1), "w")
class Loud(inner):
    def __call__(self, heads, targets):
        loss, items = super().__call__(heads, targets)
        print(json.dumps([loss.item().hex(), *[value.hex() for value in items.tolist()]]), file=out, flush=True)
        return loss, items
train.ComputeLoss = Loud
if __name__ == "__main__":
    if sys.argv[1] == "alone":
        del sys.argv[1]
        train.main(train.parse_opt())
    else:
        import runpy
        del sys.argv[0]
        runpy.run_path(sys.argv[0], run_name="__main__")
"""


def zero():
    (work / "plain.py").write_text(PLAIN)
    short = ["--epochs", "1", "--workers", "0", "--device", "cpu", "--noplots", "--exist-ok", "--project", work / "zero"]
    for name in ("answers", "features"):
        folder = hand_over(f"{name} at nought", "--imitation", name, "--lambda", "0")
        distil = json.loads((folder / "distil.json").read_text())["training"]
        same = ["--weights", folder / "student.pt", "--data", folder / "data.yaml", "--hyp", folder / "hyp.yaml", "--noautoanchor", "--imgsz", distil["imgsz"],
                "--batch-size", distil["batch-size"], "--optimizer", distil["optimizer"], "--seed", distil["seed"], "--cos-lr"]
        logs = []
        for who, command in (("alone", ["alone", *same]), ("launch", [folder / "launch.py"])):
            log = work / f"{name}-{who}.txt"
            words = [sys.executable, work / "plain.py", log, *command, *short, "--name", f"{name}-{who}"]
            done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=ENV, cwd=work)
            if done.returncode:
                say(f"lambda 0: {name}", False, done.stderr[-600:])
                return
            logs.append(log.read_text())
        tables = [results(work / "zero" / f"{name}-{who}") for who in ("alone", "launch")]
        count = logs[0].count("\n")
        say(f"lambda 0: {name}", logs[0] == logs[1] and count > 0 and tables[0] == tables[1], f"{count} batches, every bit; results.csv the same in {len(tables[0])} columns")


def train():
    for name in ("answers", "features", "correlation", "logits"):
        options = CASES[name]
        folder = hand_over(name, *options)
        begun = time.perf_counter()
        done = launch(folder, "--device", "cpu", "--workers", "0", "--noplots", "--project", work / "train", "--name", name, "--exist-ok", ranks=2)
        if done is None or done.returncode:
            say(f"train on two ranks: {name}", False, (done.stderr if done else "ran past its limit")[-800:])
            continue
        run = work / "train" / name
        table = results(run)
        epochs = len(next(iter(table.values())))
        imitation = [line.split(",") for line in (run / "imitation.csv").read_text().splitlines()[1:]]
        adapted = name not in ("features", "correlation") or (run / "weights" / "adapter.safetensors").is_file()
        distance = [sum(map(float, row[2:])) for row in imitation]
        say(f"train on two ranks: {name}", epochs == args.epochs == len(imitation) and adapted,
            f"{epochs} epochs, {time.perf_counter() - begun:.0f} s; distance {distance[0]:.4g} to {distance[-1]:.4g}, lambda {imitation[0][1]} to {imitation[-1][1]}")
        home(name, folder, run)


def home(name, folder, run):
    """best.pt by the program and by YOLOv5."""
    command = [args.program, "val", "--data", DATA, "--weights", run / "weights" / "best.pt", "--imgsz", args.imgsz, "--batch", 2 * args.batch, "--device", "cpu", "--threads", "1", "--json"]
    ours = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    code = f"import yolov5_reference as ref, json; r = ref.val({str(DATA)!r}, {str(run / 'weights' / 'best.pt')!r}, imgsz={args.imgsz}, batch_size={2 * args.batch}, project={str(work)!r}); print('FIGURES', json.dumps([float(v) for v in r[0][:4]]))"
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENV, cwd=work)
    found = re.search(r"FIGURES (.*)", theirs.stdout)
    if ours.returncode or not found:
        return say(f"best.pt comes home: {name}", False, (ours.stderr + theirs.stderr)[-600:])
    report, other = json.loads(ours.stdout), json.loads(found[1])
    own = [report[key] for key in ("precision", "recall", "map50", "map50_95")]
    apart = max(abs(a - b) for a, b in zip(own, other))
    say(f"best.pt comes home: {name}", apart <= 0.002, f"mAP50-95 {own[3]:.4f} and {other[3]:.4f}, mAP50 {own[2]:.4f} and {other[2]:.4f}, apart {apart:.4f}")


def resume():
    """Stopped after its first epoch and gone on with: as many epochs, and the adapters where they were."""
    folder = hand_over("features", *CASES["features"])
    run = work / "train" / "resumed"
    begin = [folder / "launch.py", "--device", "cpu", "--workers", "0", "--noplots", "--project", work / "train", "--name", "resumed", "--exist-ok"]
    process = subprocess.Popen([str(word) for word in [sys.executable, *begin]], env=ENV, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1200):
        if (run / "weights" / "adapter.safetensors").is_file() or process.poll() is not None:
            break
        time.sleep(0.25)
    process.kill()
    process.wait()
    before = len(results(run)["epoch"])
    done = launch(folder, "--resume", run / "weights" / "last.pt", "--device", "cpu")
    after = len(results(run)["epoch"]) if done is not None and done.returncode == 0 else -1
    say("killed, and gone on with", 0 < before < args.epochs <= after, f"{before} epochs, then {after}" + ("" if after > 0 else (done.stderr[-600:] if done else "")))


def fault(what, wanted, folder, *options, ranks=1):
    done = launch(folder, *options, ranks=ranks, limit=300)
    said = [line for line in (done.stderr if done else "").splitlines() if line.startswith("launch.py: ")]
    stepped = done is not None and "Starting training" in done.stdout + done.stderr
    right = done is not None and done.returncode != 0 and len(said) == 1 and re.search(wanted, said[0]) and not stepped
    detail = said[0] if said else (done.stderr[-600:] if done else "ran past its limit")
    say(f"fault: {what}", bool(right), detail.replace(str(work), "…"))


def copied(folder, name):
    other = work / name
    shutil.rmtree(other, ignore_errors=True)
    return Path(shutil.copytree(folder, other))


def faults():
    folder = hand_over("answers", *CASES["answers"])
    moved = copied(folder, "moved")
    text = (moved / "data.yaml").read_text()
    (moved / "data.yaml").write_text(re.sub(r"(?m)^path: .*$", 'path: "/another/machine"', text))
    fault("the data are elsewhere", r"data\.yaml: train: /another/machine/.* does not exist on this machine", moved, "--device", "cpu")
    fault("ranks that do not divide the batch", r"2 ranks cannot share a batch of 7", folder, "--batch-size", "7", "--device", "cpu", ranks=2)
    for name in ("teacher.pt", "student.pt"):
        changed = copied(folder, "changed")
        with open(changed / name, "r+b") as file:
            file.seek(-1, 2)
            file.write(b"?")
        fault(f"another {name}", rf"{name}: is not the file that was handed over \(sha256", changed, "--verify")
    (copied(folder, "lost") / "teacher.pt").unlink()
    fault("a file is missing", r"teacher\.pt: is not there", work / "lost", "--verify")
    other = copied(folder, "other")
    distil = json.loads((other / "distil.json").read_text())
    (other / "distil.json").write_text(json.dumps({**distil, "schema": "distillscope.handover/9"}))
    fault("another schema", r"is distillscope\.handover/9, this launch\.py reads", other, "--verify")
    # The proof itself must be able to fail.
    iou = copied(hand_over("answers, mask iou", *CASES["answers, mask iou"]), "psi")
    distil = json.loads((iou / "distil.json").read_text())
    (iou / "distil.json").write_text(json.dumps({**distil, "mask": {**distil["mask"], "psi": 0.6}}))
    done = launch(iou, "--verify")
    said = re.search(r"cells of the masks that differ +(\S+) .*FAILS", done.stdout if done else "")
    say("fault: another psi is found out", bool(said) and done.returncode == 1, f"{float(said[1]):.0f} cells differ" if said else "")
    old = work / "yolov5-6.2"
    (old / "utils").mkdir(parents=True)
    for name in ("train.py", "utils/loss.py"):
        (old / name).write_text("raise SystemExit('imported')\n")
    (old / "CITATION.cff").write_text("preferred-citation:\n  version: 6.2\n")
    fault("a checkout of another version", r"is YOLOv5 6\.2 by its CITATION\.cff, 7\.0 is needed", folder, "--verify", "--yolov5", old)
    fault("no checkout", r"is no checkout of YOLOv5", folder, "--verify", "--yolov5", work)
    fault("an option that changes the student", r"--single-cls changes what the student is", folder, "--single-cls", "--device", "cpu")


def checkout():
    """The package laid out as a checkout is: its modules at the top, its version in CITATION.cff."""
    import importlib.util
    package = Path(importlib.util.find_spec("yolov5").origin).parent
    folder = work / "checkout"
    shutil.copytree(package, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "__init__.py").unlink()
    for file in folder.rglob("*.py"):
        text = file.read_text()
        text = text.replace("from yolov5 import __version__", "__version__ = 'checkout'").replace("import yolov5.val as validate", "import val as validate")
        file.write_text(re.sub(r"\b(from|import) yolov5\.", r"\1 ", text))
    (folder / "CITATION.cff").write_text("preferred-citation:\n  version: 7.0\n")
    stub = work / "checkout-site"
    stub.mkdir()
    (stub / "sitecustomize.py").write_text(
        "import sys, types, numpy as np\ns = types.ModuleType('utils.roboflow')\ns.RoboflowConnector, s.check_dataset_roboflow = object, lambda data, *a, **k: data\n"
        "sys.modules['utils.roboflow'] = s\nnp.trapz = getattr(np, 'trapz', None) or np.trapezoid\n")
    env = {"PYTHONPATH": str(stub), "HANDOVER_REFERENCE": "", "YOLOv5_AUTOINSTALL": "false", "WANDB_MODE": "disabled"}
    for name in ("answers", "features"):
        verified(f"from a checkout: {name}", launch(hand_over(name, *CASES[name]), "--verify", "--yolov5", folder, env=env))


begun = time.perf_counter()
for part in args.only.split(","):
    {"verify": verify, "ranks": ranks, "zero": zero, "train": train, "resume": resume, "empty": empty, "faults": faults, "checkout": checkout}[part]()
    if part in ("train", "ranks"):
        {"train": resume, "ranks": empty}[part]()
print(f"{failures} of the cases failed; {time.perf_counter() - begun:.0f} s")
shutil.rmtree(work, ignore_errors=True)
sys.exit(failures > 0)
