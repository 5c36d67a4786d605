"""Starts distillscope, a program of its own, with the libraries of the torch in this environment.

torch is found by its metadata and never imported: importing it takes longer than the program's own start.
"""

import os
import sys
from importlib import metadata
from pathlib import Path

#: The release of torch whose libraries the program is linked against.
TORCH = "2.11"
PROGRAM = Path(__file__).resolve().with_name("distillscope")
#: The sample session that the window opens first: data.yaml, images, labels, models.
SAMPLE_DATA = PROGRAM.with_name("sample_data")


def library_folders():
    """The folders of torch's own libraries and of the CUDA libraries beside it; exits where there is no such torch."""
    remedy = f"run: {sys.executable} -m pip install 'torch=={TORCH}.*'"
    try:
        torch = metadata.distribution("torch")
    except metadata.PackageNotFoundError:
        sys.exit(f"distillscope: {sys.prefix} has no torch, whose libraries the program uses; {remedy}")
    folder = Path(torch.locate_file("torch/lib"))
    if torch.version.split(".")[:2] != TORCH.split("."):
        sys.exit(f"distillscope: torch in {folder.parent.parent} is {torch.version}, not {TORCH}; {remedy}")
    if not (folder / "libtorch_cpu.so").is_file():
        sys.exit(f"distillscope: {folder} lacks libtorch_cpu.so; {remedy} --force-reinstall")
    return [folder, *sorted(Path(torch.locate_file("nvidia")).glob("*/lib"))]


def main():
    folders = [str(folder) for folder in library_folders()]
    if earlier := os.environ.get("LD_LIBRARY_PATH"):
        folders.append(earlier)
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(folders)
    try:
        os.execv(PROGRAM, [str(PROGRAM), *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"distillscope: {PROGRAM}: cannot be started: {error.strerror}")
