"""Kills, faults and signals against running trainings: what is lost, and whether what goes on ends as if nothing had been.

    cargo build --release && python scripts/faults.py                (200 kills, some twenty minutes on two cores)
    python scripts/faults.py --kills 20 --only kills signals         (parts of it)

Works with the standard library alone, on a data set of twelve pictures that it draws, with models of six layers. Every case
runs the program, harms it, and lets it go on; then its weights must be those of an undisturbed run bit for bit, its curves
must have every step once, and so must its replay. Where the program has to give up, it must do so in one line. Linux;
full disks and read-only folders need the right to mount a tmpfs, else the size of files is limited instead (it says so).
Prints one table and leaves with 0 where all held, else 1, and then keeps its folder.
"""
import argparse
import collections
import concurrent.futures
import csv
import hashlib
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from pathlib import Path

MODEL = """
nc: 2
depth_multiple: 0.33
width_multiple: WIDTH
anchors:
  - [10,13, 16,30, 33,23]
  - [30,61, 62,45, 59,119]
  - [116,90, 156,198, 373,326]
backbone:
  - [-1, 1, Conv, [64, 6, 2, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [-1, 1, Conv, [1024, 3, 2]]
head:
  - [[2, 3, 4], 1, Detect, [nc, anchors]]
"""
PICTURES = {"train": 8, "val": 2, "test": 2}
BATCH = 2
STEPS_PER_EPOCH = PICTURES["train"] // BATCH
# Columns that tell of time.
CLOCKS = {"seconds", "waited", "measuring"}
TIMEOUT = 300


class Failed(Exception):
    """What did not hold."""


def png(width, height, pixel):
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def draw_data(folder):
    for split, count in PICTURES.items():
        images, labels = folder / "images" / split, folder / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for i in range(count):
            x, y, side = 6 + 3 * i, 4 + 4 * i, 16 + 2 * i
            inside = lambda px, py: x <= px < x + side and y <= py < y + side
            picture = png(64, 64, lambda px, py: (220, 20 * i, 90) if inside(px, py) else (40, 60, 20 * i))
            (images / f"{i}.png").write_bytes(picture)
            row = [i % 2, (x + side / 2) / 64, (y + side / 2) / 64, side / 64, side / 64]
            (labels / f"{i}.txt").write_text(" ".join(map(str, row)) + "\n")
    splits = "".join(f"{split}: images/{split}\n" for split in PICTURES)
    (folder / "data.yaml").write_text(f"path: .\n{splits}names: [even, odd]\n")


class Ended:
    """What became of a process."""

    def __init__(self, process, out, err):
        self.code, self.out, self.err = process.returncode, out, err

    def lines(self):
        """What it said last, without warnings and progress."""
        lines = [line for line in self.err.splitlines() if line.startswith("distillscope: ")]
        return [line for line in lines if "warning:" not in line and "stopping after this step" not in line]

    def check(self):
        for text in (self.out, self.err):
            if "panicked" in text or "RUST_BACKTRACE" in text:
                raise Failed("it panicked: " + " ".join(text.split())[:300])

    def gave_up(self, *words):
        """It ended in one line that has one of these words."""
        self.check()
        if self.code == 0:
            raise Failed(f"it ended well, and should not have; it said {self.lines()}")
        lines = self.lines()
        if len(lines) != 1 or not any(word in lines[0] for word in words):
            raise Failed(f"one line with one of {words} was due, not (code {self.code}) {lines or self.err[-300:]!r}")


class Place:
    """Data, models and the program."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.lock, self.count = threading.Lock(), 0
        self.planning, self.planned = threading.Lock(), None
        draw_data(self.data())
        for name, width in (("student", 0.125), ("teacher", 0.25)):
            (folder / f"{name}.yaml").write_text(MODEL.replace("WIDTH", str(width)))
        alone = ["train", "--teacher", "none", "--student", folder / "teacher.yaml", "--epochs", 2]
        self.well(*alone, *self.common(), "--out", folder / "teacher")
        self.teacher = folder / "teacher" / "weights" / "last.safetensors"

    def data(self):
        return self.folder / "data"

    def common(self, data=None):
        data = (data or self.data()) / "data.yaml"
        return ["--data", data, "--imgsz", 64, "--batch", BATCH, "--device", "cpu", "--threads", 1, "--workers", 1]

    def single(self, out, epochs=8, data=None):
        data = data or self.data()
        models = ["--teacher", self.teacher, "--student", self.folder / "student.yaml", "--imitation", "features"]
        replay = ["--snapshot", f"{data}/images/val/0.png:1"]
        return ["train", *models, "--epochs", epochs, *replay, *self.common(data), "--out", out]

    def paired(self, out):
        return [*self.single(out, 3), "--paired"]

    def search(self, out):
        """A search that was planned before: how fast this machine is at the moment must decide nothing in it."""
        out.mkdir(parents=True)
        (out / "search.toml").write_text(self.plan())
        return ["search", "--resume", out]

    def plan(self):
        """Two candidates, and more time than they need."""
        with self.planning:
            if self.planned is None:
                models = ["--teacher", self.teacher, "--student", self.folder / "student.yaml"]
                begin = ["search", *models, "--epochs", 2, *self.common(), "--minutes", 600, "--out", out := self.new()]
                process = self.start(*begin)
                wait_for(out / "search.toml", process)
                process.kill()
                process.communicate()
                table = out / "search.toml"
                table.write_text(without(table.read_text(), candidates=2))
                self.well("search", "--resume", out)
                self.planned = without(table.read_text(), candidates=2)
                shutil.rmtree(out)
            return self.planned

    def new(self):
        """A folder that is not there yet."""
        with self.lock:
            self.count += 1
            return self.folder / f"run-{self.count}"

    def start(self, *arguments, limits=(), env=None):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            for name, value in limits:
                resource.setrlimit(name, (value, value))

        command = [self.binary, *map(str, arguments)]
        pipe = subprocess.PIPE
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        return subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, errors="replace", preexec_fn=limit, env=environment
        )

    def end(self, process):
        try:
            return Ended(process, *process.communicate(timeout=TIMEOUT))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"it did not end within {TIMEOUT} s") from None

    def run(self, *arguments, **more):
        return self.end(self.start(*arguments, **more))

    def well(self, *arguments, **more):
        ended = self.run(*arguments, **more)
        ended.check()
        if ended.code != 0:
            raise Failed(f"it should have ended well: {ended.code} {ended.err[-400:]!r}")
        return ended

    def go_on(self, command, out, *more):
        """Goes on with what lies there, or begins where nothing does."""
        begun = any((out / name).exists() for name in ("config.toml", "campaign.toml", "search.toml"))
        if begun:
            return self.well(command[0], "--resume", out, *more)
        return self.well(*command)

    def goes_on(self, out, step):
        """A long run makes steps beyond this one."""
        process = self.start("train", "--resume", out)
        wait_until(lambda: progress(out)[0] > step, process, "a step more")
        process.send_signal(signal.SIGTERM)
        self.end(process).check()


def without(search, candidates):
    """A search.toml with so many candidates, from which nothing was run yet."""
    blocks = re.split(r"^(?=\[)", search, flags=re.M)
    blocks[0] = re.sub(r"^spent = .*$", "spent = 0.0", blocks[0], flags=re.M)
    kept, seen = [blocks[0]], 0
    for block in blocks[1:]:
        seen += block.startswith("[[candidates]]")
        of_candidate = block.startswith(("[[candidates", "[candidates"))
        if not (of_candidate and seen > candidates) and not block.startswith(("[[rungs", "[finals")):
            kept.append(block)
    return "".join(kept)


# What a run leaves, without what tells of time.


def rows(text):
    table = list(csv.DictReader(line.strip() for line in text.splitlines()))
    return [{name.strip(): value.strip() for name, value in row.items() if name.strip() not in CLOCKS} for row in table]


def runs_in(out):
    """The run folders below a folder."""
    return sorted(path.parent for path in out.rglob("steps.csv"))


def without_clock(value):
    if isinstance(value, dict):
        return {name: without_clock(inner) for name, inner in value.items() if name not in CLOCKS}
    return [without_clock(inner) for inner in value] if isinstance(value, list) else value


def what_is_left(folder):
    """Everything that must not depend on what befell a run."""
    left = {}
    for name in ("last.safetensors", "best.safetensors"):
        left[name] = hashlib.sha256((folder / "weights" / name).read_bytes()).hexdigest()
    steps, epochs = rows((folder / "steps.csv").read_text()), rows((folder / "results.csv").read_text())
    for name, table in (("steps.csv", [row["step"] for row in steps]), ("results.csv", [row["epoch"] for row in epochs])):
        if table != [str(number) for number in range(len(table))]:
            raise Failed(f"{folder}/{name}: a gap or a double: {table}")
    left["steps.csv"], left["results.csv"] = steps, epochs
    left["result.json"] = without_clock(json.loads((folder / "result.json").read_text()))
    replay = folder / "replay.distillscope"
    if replay.exists():
        with zipfile.ZipFile(replay) as archive:
            header = json.loads(archive.read("replay.json"))
            left["moments"] = [moment["step"] for moment in header["moments"]]
            left["maps"] = hashlib.sha256(archive.read("maps.f32") + archive.read("truths.f64")).hexdigest()
            left["replay's steps"] = rows(archive.read("steps.csv").decode())
        if left["moments"] != sorted(set(left["moments"])):
            raise Failed(f"{replay}: a double: {left['moments']}")
    strays = [path.name for path in folder.rglob(".tmp*")]
    if strays:
        raise Failed(f"{folder}: left behind: {strays}")
    return left


def all_that_is_left(out):
    """The same of every run in a folder, and a search's table."""
    left = {str(run.relative_to(out)): what_is_left(run) for run in runs_in(out)}
    table = out / "search.json"
    if table.exists():
        left["search.json"] = {**json.loads(table.read_text()), "spent_minutes": None}
    return left


def alike(found, expected):
    """Equal; what result.json says of earlier epochs comes from results.csv, which has YOLOv5's five digits."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(alike(found[name], expected[name]) for name in found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(alike, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=5e-5)
    return found == expected


def same(found, expected, what):
    for name in sorted(expected.keys() | found.keys()):
        equal = (lambda a, b: a == b) if name.endswith((".safetensors", ".csv", "maps", "steps")) else alike
        if not equal(found.get(name), expected.get(name)):
            raise Failed(f"{what}: {name} differs: {str(found.get(name))[:200]} is not {str(expected.get(name))[:200]}")


def progress(out):
    """The step of a run's checkpoint, and the epochs in its table; zeros where there is none."""
    step, state = 0, out / "weights" / "resume.safetensors"
    if state.exists():
        with state.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            text = json.loads(file.read(length))["__metadata__"]["distillscope.progress"]
        step = int(re.search(r"^step = (\d+)", text, re.M).group(1))
    table = out / "results.csv"
    return step, len(rows(table.read_text())) if table.exists() else 0


class Faults:
    def __init__(self, place, options):
        self.place, self.options = place, options
        self.random = random.Random(options.seed)
        self.whole = {}
        self.seconds = {}

    def reference(self, kind):
        """What an undisturbed run leaves, by folder, and how long it took."""
        if kind not in self.whole:
            out = self.place.new()
            begin = time.monotonic()
            self.place.well(*getattr(self.place, kind)(out))
            self.seconds[kind] = time.monotonic() - begin
            self.whole[kind] = all_that_is_left(out)
        return self.whole[kind]

    def as_if_nothing_had_been(self, out, kind="single"):
        expected = self.reference(kind)
        found = all_that_is_left(out)
        if found.keys() != expected.keys():
            raise Failed(f"runs {sorted(found)} instead of {sorted(expected)}")
        for name in found:
            same(found[name], expected[name], f"{out}/{name}")
        shutil.rmtree(out)

    # Cases. Each returns what it has to say.

    def kills(self):
        share = {"single": 0.6, "paired": 0.3, "search": 0.1}
        texts = []
        for kind, part in share.items():
            count = max(1, round(self.options.kills * part))
            self.reference(kind)
            whole = self.seconds[kind]
            moments = [self.random.uniform(0.02, 1.0) * whole for _ in range(count)]
            again = [self.random.random() < 0.25 for _ in range(count)]
            outcomes = collections.Counter(self.options.pool.map(lambda pair: self.kill(kind, *pair), zip(moments, again)))
            texts.append(f"{kind} {count}: " + ", ".join(f"{many} {when}" for when, many in sorted(outcomes.items())))
        return "; ".join(texts)

    def kill(self, kind, after, again):
        command = getattr(self.place, kind)(out := self.place.new())
        process = self.place.start(*command)
        time.sleep(after)
        when = ""
        for turn in range(2 if again else 1):
            ended = process.poll() is not None
            process.kill()
            process.communicate()
            runs = runs_in(out) if out.exists() else []
            for run in runs:
                if (run / "result.json").exists():
                    # A search takes the checkpoint of a run that has ended away.
                    continue
                step, epochs = progress(run)
                if epochs * STEPS_PER_EPOCH - step > STEPS_PER_EPOCH:
                    raise Failed(f"{run}: {epochs} epochs are on disk, and the checkpoint is of step {step}")
            if turn == 0:
                saved = any((run / "weights/resume.safetensors").exists() or (run / "result.json").exists() for run in runs)
                began = any(out.glob("*.toml")) if out.exists() else False
                when = "after the end" if ended else "training" if saved else "before a checkpoint" if began else "opening"
            if turn == 0 and again and any(out.glob("config.toml")):
                process = self.place.start("train", "--resume", out)
                time.sleep(after / 2)
        self.place.go_on(command, out)
        self.as_if_nothing_had_been(out, kind)
        return when

    def signals(self):
        self.reference("single")
        whole = self.seconds["single"]
        count = self.options.signals
        cases = [(which, (i + 0.5) / count * whole) for which in (signal.SIGTERM, signal.SIGINT) for i in range(count)]
        before = sum(self.options.pool.map(lambda case: self.signal(*case), cases))
        return f"{len(cases)} at even distances over a run; {before} of them before it could answer or after its end"

    def signal(self, which, after):
        command = self.place.single(out := self.place.new())
        process = self.place.start(*command)
        time.sleep(after)
        process.send_signal(which)
        ended = self.place.end(process)
        ended.check()
        idle = ended.code in (0, -which)
        if not idle and ended.code != 130:
            raise Failed(f"{which.name} after {after:.2f} s: code {ended.code}: {ended.err[-300:]!r}")
        if ended.code == -which and (out / "weights" / "resume.safetensors").exists():
            raise Failed(f"{which.name} after {after:.2f} s killed a run that had begun")
        if ended.code == 130 and (out / "steps.csv").exists():
            # It ended with a checkpoint of the step in hand: nothing is done again.
            step, _ = progress(out)
            steps = len(rows((out / "steps.csv").read_text()))
            if step != steps:
                raise Failed(f"{which.name}: {steps} steps are on disk, the checkpoint is of {step}")
        self.place.go_on(command, out)
        self.as_if_nothing_had_been(out)
        return idle

    def full_disk(self):
        """A disk that is full at one write after the other."""
        self.reference("single")
        sizes = range(160, 160 * (self.options.disks + 1), 160)
        outcomes = [self.disk_of(kib) for kib in sizes]
        fitted = sum(outcomes)
        how = "a tmpfs" if can_mount() else "RLIMIT_FSIZE, as no tmpfs can be mounted here"
        return f"{len(sizes)} sizes of {how}, 160 to {sizes[-1]} KiB; {fitted} were enough"

    def disk_of(self, kib):
        place = self.place
        if not can_mount():
            command = place.single(out := place.new())
            ended = place.run(*command, limits=[(resource.RLIMIT_FSIZE, kib << 10)])
            enough = self.full(ended)
            place.go_on(command, out)
            self.as_if_nothing_had_been(out)
            return enough
        with Mounted(place.new(), f"size={kib}k") as disk:
            command = place.single(out := disk.path / "run")
            ended = place.run(*command)
            enough = self.full(ended)
            disk.again("size=64m")
            place.go_on(command, out)
            self.as_if_nothing_had_been(out)
        return enough

    @staticmethod
    def full(ended):
        if ended.code == 0:
            ended.check()
            return True
        ended.gave_up("No space left", "File too large", "cannot be written")
        return False

    def read_only(self):
        """Before a run, and under it."""
        if not can_mount():
            return "not tried: no tmpfs can be mounted here, and root writes anywhere else"
        place = self.place
        with Mounted(place.new(), "size=64m") as disk:
            command = place.single(out := disk.path / "run", 200)
            disk.again("ro")
            place.run(*command).gave_up("Read-only file system")
            disk.again("rw")
            process = place.start(*command)
            weights = out / "weights"
            wait_for(weights / "resume.safetensors", process)
            # The folder of the run has files open for writing; that of its weights has not.
            subprocess.run(["mount", "--bind", weights, weights], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", weights], check=True)
            place.end(process).gave_up("Read-only file system")
            step, _ = progress(out)
            subprocess.run(["umount", weights], check=True)
            place.goes_on(out, step)
        return "one line, before the first step and under a run, which went on once it could write"

    def folder_removed(self):
        place = self.place
        command = place.single(out := place.new(), 200)
        process = place.start(*command)
        wait_for(out / "weights" / "resume.safetensors", process)
        # Until nothing is there: the run may write at that moment.
        while out.exists():
            shutil.rmtree(out, ignore_errors=True)
        place.end(process).gave_up("cannot be written", "No such file")
        shutil.rmtree(out, ignore_errors=True)
        place.well(*place.single(out))
        self.as_if_nothing_had_been(out)
        return "one line; the same command then runs"

    def data_gone(self):
        """All of the data, while they are read and while a run goes on from them."""
        place = self.place
        own = place.folder / "own"
        shutil.copytree(place.data(), own)
        command = place.single(out := place.new(), 200, own)
        process = place.start(*command)
        wait_for(out / "weights" / "resume.safetensors", process)
        own.rename(place.folder / "away")
        place.end(process).gave_up("cannot be read", "No such file", "no image")
        step, _ = progress(out)
        place.run("train", "--resume", out).gave_up("No such file", "no image", "not found", "cannot be read")
        (place.folder / "away").rename(own)
        place.goes_on(out, step)
        shutil.rmtree(out)
        shutil.rmtree(own)
        return f"one line at step {step}, one line while they were away; it went on when they were back"

    def label_changed(self):
        """Changed under a run it counts from the next start, which says so and does not go on by itself."""
        place = self.place
        own = place.folder / "labelled"
        shutil.copytree(place.data(), own)
        command = place.single(out := place.new(), data=own)
        label = own / "labels/train/0.txt"
        kept = label.read_text()
        process = place.start(*command)
        wait_for(out / "weights" / "resume.safetensors", process)
        label.write_text("1" + kept[1:])
        process.send_signal(signal.SIGTERM)
        ended = place.end(process)
        ended.check()
        text = "it had ended before"
        if ended.code == 130:
            place.run("train", "--resume", out).gave_up("changed since this run began")
            text = "refused with what was changed"
        label.write_text(kept)
        place.go_on(command, out)
        # The folder has another name, nothing else.
        self.as_if_nothing_had_been(out)
        shutil.rmtree(own)
        return f"{text}; put back, it ended as if nothing had been"

    def picture_broken(self):
        """A picture that is cut short under a run, which has it decoded already, and under a new one."""
        place = self.place
        own = place.folder / "pictured"
        shutil.copytree(place.data(), own)
        picture = own / "images/train/1.png"
        picture.write_bytes(picture.read_bytes()[:60])
        ended = place.well(*place.single(out := place.new(), 1, own))
        if "1.png" not in ended.err + (out / "warnings.txt").read_text():
            raise Failed("nothing was said of a picture that is cut short")
        shutil.rmtree(out)
        shutil.rmtree(own)
        return "left out with a warning that names it"

    def memory(self):
        """Less and less of it."""
        self.reference("single")
        peak = self.peak_of_a_run()
        count = self.options.memories
        outcomes = {"well": 0, "a line": 0, "killed": 0}
        for i in range(count):
            limit = int(peak * (0.55 + 0.5 * i / count))
            command = self.place.single(out := self.place.new())
            ended = self.place.run(*command, limits=[(resource.RLIMIT_AS, limit)])
            ended.check()
            said = ended.lines()
            if ended.code == 0:
                outcomes["well"] += 1
            elif ended.code < 0 or not said:
                # Rust and C++ have nowhere to go without memory but out.
                outcomes["killed"] += 1
            else:
                outcomes["a line"] += 1
                if len(said) != 1:
                    raise Failed(f"several lines: {said}")
            self.place.go_on(command, out)
            self.as_if_nothing_had_been(out)
        said = ", ".join(f"{count} {what}" for what, count in outcomes.items() if count)
        return f"{count} limits from {peak * 0.55 / 2**30:.2f} to {peak * 1.05 / 2**30:.2f} GiB of addresses: {said}"

    def peak_of_a_run(self):
        process = self.place.start(*self.place.single(out := self.place.new()))
        peak = 0
        while process.poll() is None:
            try:
                text = Path(f"/proc/{process.pid}/status").read_text()
                peak = max(peak, int(re.search(r"VmPeak:\s+(\d+)", text).group(1)) << 10)
            except (OSError, AttributeError):
                pass
            time.sleep(0.005)
        process.communicate()
        shutil.rmtree(out)
        return peak

    def second_process(self):
        place = self.place
        command = place.single(out := place.new(), 200)
        process = place.start(*command)
        wait_for(out / "weights" / "resume.safetensors", process)
        for second in (command, ["train", "--resume", out]):
            place.run(*second).gave_up("another run is at work in this folder")
        step, _ = progress(out)
        process.kill()
        process.communicate()
        place.goes_on(out, step)
        shutil.rmtree(out)

        command = place.search(out := place.new())
        process = place.start(*command)
        wait_for(out / "runs", process)
        place.run("search", "--resume", out).gave_up("another run is at work in this folder")
        process.kill()
        process.communicate()
        shutil.rmtree(out)
        return "a run and a search refuse it in one line; the lock was gone with the killed process"

    def clock_back(self):
        place = self.place
        self.reference("single")
        library = clock_library(place.folder)
        command = place.single(out := place.new())
        env = {"LD_PRELOAD": str(library)} if library else {}
        process = place.start(*command, env=env)
        wait_for(out / "weights" / "resume.safetensors", process)
        process.kill()
        process.communicate()
        for path in [*out.rglob("*"), *place.data().rglob("*")]:
            os.utime(path, (10**9, 10**9))
        ended = place.run("train", "--resume", out, env=env)
        ended.check()
        if ended.code != 0:
            raise Failed(f"it should have ended well: {ended.err[-300:]!r}")
        self.as_if_nothing_had_been(out)
        how = "the wall clock going back at every look" if library else "no compiler: the wall clock itself was left alone"
        return f"{how}; files of 2001"


class Mounted:
    """A tmpfs."""

    def __init__(self, path, options):
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path], check=True)

    def again(self, options):
        # A process may have a file open for writing at that moment.
        for _ in range(2000):
            done = subprocess.run(["mount", "-o", f"remount,{options}", self.path], capture_output=True, text=True)
            if done.returncode == 0:
                return
            time.sleep(0.002)
        raise Failed(f"remount {options}: {done.stderr.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)


def can_mount(known=[]):
    if not known:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True)
            known.append(done.returncode == 0)
            if known[0]:
                subprocess.run(["umount", folder], check=True)
    return known[0]


def wait_until(holds, process, what):
    begin = time.monotonic()
    while not holds():
        if process.poll() is not None:
            raise Failed(f"it ended before {what}: {process.communicate()[1][-400:]!r}")
        if time.monotonic() - begin > TIMEOUT:
            process.kill()
            raise Failed(f"no {what} within {TIMEOUT} s")
        time.sleep(0.002)


def wait_for(path, process):
    wait_until(path.exists, process, path.name)


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
static long looks;
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec -= 3600 * __sync_add_and_fetch(&looks, 1) % 100000000;
    return code;
}
"""


def clock_library(folder):
    """A library under which the wall clock goes back by an hour at every look; None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


CASES = [
    "kills", "signals", "full_disk", "read_only", "folder_removed", "data_gone", "label_changed", "picture_broken",
    "memory", "second_process", "clock_back",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/distillscope", type=Path)
    parser.add_argument("--kills", default=200, type=int, help="how many runs are killed")
    parser.add_argument("--signals", default=20, type=int, help="moments at which each signal is sent")
    parser.add_argument("--disks", default=40, type=int, help="sizes of a full disk")
    parser.add_argument("--memories", default=24, type=int, help="limits of memory")
    parser.add_argument("--jobs", default=2, type=int, help="runs at once")
    parser.add_argument("--seed", default=0, type=int, help="of the moments")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    options = parser.parse_args()
    binary = options.binary.resolve()
    if not binary.is_file():
        sys.exit(f"{binary}: not there; cargo build --release makes it")
    options.pool = concurrent.futures.ThreadPoolExecutor(options.jobs)
    folder = Path(tempfile.mkdtemp(prefix="distillscope-faults-"))
    held = True
    try:
        faults = Faults(Place(binary, folder), options)
        print("| Fault | Held | What happened | s |\n|---|---|---|---|", flush=True)
        for case in CASES:
            if case not in options.only:
                continue
            begin = time.monotonic()
            try:
                good, text = "yes", getattr(faults, case)()
            except (Failed, OSError, ValueError, KeyError) as error:
                held, good, text = False, "NO", f"{type(error).__name__}: {error}"
            print(f"| {case.replace('_', ' ')} | {good} | {text} | {time.monotonic() - begin:.0f} |", flush=True)
    finally:
        options.pool.shutdown()
        if held:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"what is left lies in {folder}", file=sys.stderr)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
