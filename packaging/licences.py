#!/usr/bin/env python3
"""Prints the licences of every crate in the binary: licences.py >THIRD-PARTY.txt

The texts are those that the crates carry, equal ones once. A script of our own, because cargo-about would first have to be
compiled itself, and falls back on a standard text where this insists on the crate's own.
Fails on a crate whose licence it cannot print in full.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

TARGET = "x86_64-unknown-linux-gnu"
ROOT = Path(__file__).resolve().parent.parent
TEXT = re.compile(r"(licen[sc]e|copying|copyright|notice|unlicense|patents)", re.IGNORECASE)
SOURCE = {".rs", ".py", ".sh", ".toml", ".json", ".yml", ".yaml", ".c", ".h"}
# A crate without a text of its own (workspaces often keep it at their root) is taken under this one, which names nobody.
STANDARD = "Apache-2.0"


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def crates():
    """Every crate linked into the binary, by name: no build scripts, no macros, nothing for tests."""
    tree = cargo("tree", "--locked", "--prefix", "none", "-e", "normal,no-proc-macro", "--target", TARGET, "--format", "{p}")
    linked = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    packages = json.loads(cargo("metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET))["packages"]
    chosen = [p for p in packages if (p["name"], f"v{p['version']}") in linked and p["source"]]
    return sorted(chosen, key=lambda package: (package["name"], package["version"]))


def texts(package):
    folder = Path(package["manifest_path"]).parent
    for path in sorted(folder.rglob("*")):
        of_a_font = path.parent.name == "fonts" and path.suffix == ".txt"
        if path.is_file() and (of_a_font or TEXT.search(path.name) and path.suffix not in SOURCE):
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def main():
    packages, users = crates(), {}
    print("distillscope is made of these crates, under these licences; the texts follow.\n")
    for package in packages:
        name, licence = f"{package['name']} {package['version']}", package["license"] or ""
        found = [text for text in texts(package) if text]
        if not found:
            if STANDARD not in licence or " AND " in licence:
                sys.exit(f"licences: {name} ({licence}) has no text in its package; put one beside {Path(__file__).name}")
            found = [(ROOT / "LICENSE-APACHE").read_text().strip()]
        for text in dict.fromkeys(found):
            users.setdefault(text, []).append(name)
        print(f"{name}: {licence or 'see its text'}; {package['repository'] or 'crates.io'}")
    for text, names in users.items():
        print(f"\n{'=' * 100}\n{', '.join(names)}\n{'-' * 100}\n{text}")


main()
