#!/usr/bin/env python3
"""Wall time and peak memory of a command and its children.

    python3 scripts/measure.py COMMAND [ARG ...]
"""
import resource
import subprocess
import sys
import time

start = time.monotonic()
code = subprocess.call(sys.argv[1:])
seconds = time.monotonic() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
peak_mb = peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
print(f"{seconds:.2f} s, peak {peak_mb:.0f} MB resident", file=sys.stderr)
sys.exit(code)
