#!/usr/bin/env python3
"""Checks that what the documentation tells a reader to type exists: check_readme.py DISTILLSCOPE FILE.md...

Subcommands and options are looked up in the program's own --help, make's targets in the Makefile, benches in Cargo.toml,
files beside the document or at the root. Prints what is missing, and exits 1 if anything is.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = ["manual"]   # subcommands that --help does not list
OPTION = re.compile(r"--[a-z][a-z-]*")


def help_of(program, *subcommand):
    return subprocess.run([program, *subcommand, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout


class Program:
    """What the command line knows: the options of the window ("") and of each subcommand."""

    def __init__(self, path):
        text = help_of(path)
        listed = text.split("\nCommands:\n")[1].split("\n\n")[0]
        names = re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE)
        names = [name for name in names if name != "help"] + HIDDEN
        texts = {"": text, **{name: help_of(path, name) for name in names}}
        self.options = {name: set(OPTION.findall(text)) for name, text in texts.items()}

    def faults(self, words):
        """What is wrong with the words after "distillscope"."""
        name = words[0] if words and re.fullmatch(r"[a-z]+", words[0]) else ""
        if name not in self.options:
            return [f"no subcommand {name}"]
        return [f"{name or 'the window'} has no {option}" for option in options(words) if option not in self.options[name]]


def options(words):
    return [match.group() for word in words if (match := OPTION.match(word))]


def commands(text):
    """The lines of code blocks, continuations joined, then the code spans of the rest."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            yield line.split(" # ")[0].split("  #")[0].strip()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def faults(document, program):
    text = document.read_text(encoding="utf-8")
    for command in commands(text):
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        words = [word.rstrip(",;") for word in words]
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        first, rest = (words[0], words[1:]) if words else ("", [])
        if first in ("distillscope", "./distillscope"):
            found = program.faults(rest)
        elif first in program.options and options(rest):
            found = program.faults(words)
        elif first == "make":
            targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
            found = [f"the Makefile has no {target}" for target in rest if target not in targets]
        elif command.startswith("cargo bench --bench "):
            found = [] if f'name = "{rest[2]}"' in (ROOT / "Cargo.toml").read_text() else [f"no bench {rest[2]}"]
        elif OPTION.match(first):
            found = [f"nothing has {o}" for o in options(words) if not any(o in known for known in program.options.values())]
        else:
            found = []
        scripts = [word for word in words if re.fullmatch(r"(scripts|packaging|docs|src|tests)/[\w./-]+", word)]
        found += [f"no file {word}" for word in scripts if not (ROOT / word).exists()]
        yield from (f"{command}: {fault}" for fault in found)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link and not (document.parent / link).exists():
            yield f"link to {link}: no such file"


def main():
    program, found, checked = Program(sys.argv[1]), 0, 0
    for document in map(Path, sys.argv[2:]):
        for fault in faults(document, program):
            print(f"{document}: {fault}")
            found += 1
        checked += len(list(commands(document.read_text(encoding="utf-8"))))
    print(f"{checked} pieces of code in {len(sys.argv) - 2} documents, {found} faults")
    sys.exit(found > 0)


main()
