#!/usr/bin/env bash
# Installs the wheel and the bundle of dist/ from nothing, runs each on the sample session, and prints times and sizes.
#   package_smoke.sh [wheel|bundle]...
# The wheel goes into a fresh virtual environment, the bundle into an empty root: a folder that holds Debian's libc6, libgcc
# and libstdc++, and no shell, no Python. With Xvfb, each opens its window too, the bundle's in a root that has the packages
# which docs/install.md names (debootstrap makes it). PICTURES=DIR keeps a picture of each window (ImageMagick).
set -euo pipefail
cd "$(dirname "$0")/.."
parts=("$@")
[ $# -gt 0 ] || parts=(wheel bundle)

python=$(python3 -c 'import sys; print(sys.executable)')   # a version manager's stub would need its own PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset LD_LIBRARY_PATH LIBTORCH
if command -v cargo rustc; then
  echo "smoke: there is Rust in $PATH, so this would not show that none is needed" >&2
  exit 1
fi

work=$(mktemp -d)
display=
cleanup() {
  [ -z "$display" ] || kill "$display" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

say() { printf '%-46s %s\n' "$1" "$2"; }
skip() { say "$1" "skipped: $2"; }
die() { printf 'smoke: %s\n' "$*" >&2; exit 1; }
now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }   # in microseconds
since() {
  local hundredths=$((($(now) - $1) / 10000))
  printf '%d.%02d s' $((hundredths / 100)) $((hundredths % 100))
}
size() { du -sh --apparent-size "$1" | cut -f1; }
only() {
  if [ $# != 1 ] || [ ! -f "$1" ]; then die "there should be one package, and there is: $*"; fi
  printf '%s' "$1"
}
# timed NAME COMMAND...: its output goes into $work/output.
timed() {
  local name=$1 start
  shift
  start=$(now)
  "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; die "$name failed"; }
  say "$name" "$(since "$start")"
}
# refuses NAME WORD COMMAND...: it fails with one line that holds the word.
refuses() {
  local name=$1 word=$2
  shift 2
  if "$@" >"$work/output" 2>&1; then die "$name was accepted"; fi
  if [ "$(wc -l <"$work/output")" != 1 ] || ! grep -qF "$word" "$work/output"; then
    cat "$work/output" >&2
    die "$name: not one line with '$word'"
  fi
  say "$name" "$(cat "$work/output")"
}

# session NAME SAMPLE_DATA OUT COMMAND...: what the program does without a window. The sample lies at that path for the program.
session() {
  local name=$1 sample=$2 out=$3
  shift 3
  local models=(--teacher "$sample/models/teacher.pt" --student "$sample/models/student.pt" --device cpu)
  timed "$name: --version" "$@" --version
  grep -q '^distillscope [0-9]' "$work/output" || die "$name: --version printed $(cat "$work/output")"
  timed "$name: inspect" "$@" inspect --image "$sample/images/val/bay_000.jpg" "${models[@]}" --json -
  grep -q '"schema": "distillscope.inspect/' "$work/output" || die "$name: inspect printed no report"
  timed "$name: train --steps 3" "$@" train --data "$sample/data.yaml" "${models[@]}" --imgsz 160 --batch 4 --steps 3 --out "$out"
  grep -q 'finished' "$work/output" || die "$name: the run did not finish"
}

# window NAME COMMAND...: until its first picture is drawn.
window() {
  local name=$1 start program shown=
  shift
  if ! command -v Xvfb >/dev/null; then
    skip "$name: window" "no Xvfb"
    return
  fi
  if [ -z "$display" ]; then
    Xvfb -displayfd 3 -screen 0 1280x800x24 3>"$work/display" >/dev/null 2>&1 & display=$!
    until [ -s "$work/display" ]; do sleep 0.1; done
  fi
  start=$(now)
  : >"$work/window"
  HOME=$work/home DISPLAY=:$(cat "$work/display") WAYLAND_DISPLAY='' DISTILLSCOPE_LOG=info "$@" >"$work/window" 2>&1 & program=$!
  while kill -0 "$program" 2>/dev/null && [ $(($(now) - start)) -lt 60000000 ]; do
    if grep -q 'image, labels and masks drawn' "$work/window"; then
      shown=$(since "$start")
      break
    fi
    sleep 0.02
  done
  if [ -n "$shown" ] && [ -n "${PICTURES:-}" ]; then
    sleep 3   # both models have run
    mkdir -p "$PICTURES"
    DISPLAY=:$(cat "$work/display") import -window root "$PICTURES/${name// /-}.png"
  fi
  kill "$program" 2>/dev/null || true
  wait "$program" 2>/dev/null || true
  [ -n "$shown" ] || { cat "$work/window" >&2; die "$name: no picture after 60 s"; }
  say "$name: start to first picture" "$shown"
}

smoke_wheel() {
  local wheel venv=$work/venv site start bare launched torch
  wheel=$PWD/$(only dist/distillscope-*.whl)
  say "$(basename "$wheel")" "$(size "$wheel")"
  "$python" -m venv "$venv"
  local pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install)
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

  timed "wheel: pip install, without torch" "${pip[@]}" --no-deps "$wheel"
  refuses "wheel: no torch" "no torch" "$venv/bin/distillscope" --version
  mkdir "$site/torch-2.10.0.dist-info"
  printf 'Metadata-Version: 2.1\nName: torch\nVersion: 2.10.0\n' >"$site/torch-2.10.0.dist-info/METADATA"
  refuses "wheel: another torch" "2.10.0, not 2.11" "$venv/bin/distillscope" --version
  rm -r "$site/torch-2.10.0.dist-info"

  # On a machine without a driver, torch without the three gigabytes of CUDA that it depends on; libtorch_cpu needs these two.
  torch=("torch==2.11.*")
  ldconfig -p | grep -q libcuda.so.1 || torch=(--no-deps "torch==2.11.*" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
  timed "wheel: pip install of torch" "${pip[@]}" "${torch[@]}"
  start=$(now)
  timed "wheel: pip install, beside torch" "${pip[@]}" --no-deps --force-reinstall "$wheel"
  window "wheel" "$venv/bin/distillscope"
  say "wheel: pip install to the first picture" "$(since "$start")"
  session "wheel" "$site/distillscope/sample_data" "$work/wheel-run" "$venv/bin/distillscope"

  # What the launcher adds: the shortest of ten starts each, in turn.
  read -r launched bare < <("$venv/bin/python" - "$venv/bin/distillscope" "$site" <<'PY'
import os, subprocess, sys, time
launcher, site = sys.argv[1:]
libraries = {**os.environ, "LD_LIBRARY_PATH": f"{site}/torch/lib"}
def start(*command, **options):
    begin = time.perf_counter()
    subprocess.run([*command, "--version"], check=True, stdout=subprocess.DEVNULL, **options)
    return time.perf_counter() - begin
pairs = [(start(launcher), start(f"{site}/distillscope/distillscope", env=libraries)) for _ in range(10)]
print(*(f"{min(column):.3f}" for column in zip(*pairs)))
PY
)
  say "wheel: launcher, bare binary" "$launched s, $bare s"
}

smoke_bundle() {
  local archive root=$work/root place
  archive=$PWD/$(only dist/distillscope-*-linux-*.tar.gz)
  say "$(basename "$archive")" "$(size "$archive")"
  place=/opt/$(basename "$archive" .tar.gz)
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    skip "bundle" "an empty root takes root and Debian's packages"
    return
  fi
  mkdir -p "$root/opt" "$work/debs"
  (cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root libc6 libgcc-s1 libstdc++6)
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$root"; done
  say "bundle: the empty root" "$(size "$root")"
  timed "bundle: unpack" tar -xzf "$archive" -C "$root/opt"
  say "bundle: unpacked" "$(size "$root/opt")"
  session "bundle" "$place/sample_data" /tmp/run packaging/in_root.sh "$root" "$place/distillscope"

  if ! command -v debootstrap >/dev/null || ! command -v Xvfb >/dev/null; then
    skip "bundle: window" "no debootstrap or no Xvfb"
    return
  fi
  local desktop=$work/desktop packages release
  packages=$(sed -n 's/^sudo apt install \(lib.*\)$/\1/p' docs/install.md)
  release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  [ -n "$packages" ] || die "docs/install.md names no packages for the window"
  timed "bundle: a minimal Debian with the window's packages" \
    debootstrap --variant=minbase --include="${packages// /,}" "$release" "$desktop"
  mv "$root/opt"/* "$desktop/opt"
  window "bundle" packaging/in_root.sh "$desktop" "$place/distillscope"
}

for part in "${parts[@]}"; do "smoke_$part"; done
