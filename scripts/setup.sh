#!/usr/bin/env bash
# Gets what cargo cannot: libtorch (into .libtorch), and the system packages of the window.
#   setup.sh [window]
# Nothing is done twice: a second call costs a few milliseconds.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-build}

torch=torch==2.11.0                       # the release that tch 0.24.0 expects
cuda_base=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)   # libtorch_cpu itself needs these two

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf 'set-up: %s\n' "$*" >&2; exit 1; }
has_library() { ldconfig -p 2>/dev/null | grep -F "$1" >/dev/null; }
has_driver() { [ -e /usr/lib/wsl/lib/libcuda.so.1 ] || has_library libcuda.so.1; }

# Installs Debian packages when root; otherwise prints the one line to run and goes on.
packages() {
  [ $# -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    say "These packages (Debian's names) are missing, please install them: $*"
  elif [ "$(id -u)" = 0 ]; then
    say "Installing $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  else
    say "Some system packages are missing. Run this, then start again if something fails:"
    printf '    sudo apt-get install -y %s\n' "$*" >&2
  fi
}

missing=()
if [ "$(uname -s)" = Linux ]; then
  command -v c++ >/dev/null || missing+=(g++)
  case $(uname -m) in x86_64 | i?86) command -v nasm >/dev/null || missing+=(nasm) ;; esac   # JPEGs are read slowly without
  if [ "$purpose" = window ]; then
    has_library libEGL.so.1 || missing+=(libegl1)
    has_library libGL.so.1 || missing+=(libgl1)
    compgen -G '/usr/lib/*/dri/*_dri.so' >/dev/null || missing+=(libgl1-mesa-dri)
    has_library libxkbcommon-x11.so.0 || missing+=(libxkbcommon-x11-0)
    has_library libX11-xcb.so.1 || missing+=(libx11-xcb1)
    has_library libXcursor.so.1 || missing+=(libxcursor1)
    has_library libXi.so.6 || missing+=(libxi6)
    has_library libXrandr.so.2 || missing+=(libxrandr2)
  fi
fi

command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs"

libtorch() {
  local want=cpu
  if has_driver; then want=cuda; fi
  local stamp="$torch $want"
  [ "$(cat .libtorch/.stamp 2>/dev/null)" = "$stamp" ] && return 0
  command -v python3 >/dev/null || die "python3 is missing: libtorch comes as a Python wheel"
  if ! python3 -m pip --version >/dev/null 2>&1; then
    packages python3-pip
    python3 -m pip --version >/dev/null 2>&1 || die "python3 has no pip: libtorch comes as a Python wheel"
  fi
  say "Getting libtorch ($want) into .libtorch; this happens once"
  rm -rf .libtorch.part
  local flags=(--quiet --disable-pip-version-check --no-warn-conflicts --target .libtorch.part)
  if [ "$(uname -s)" = Linux ]; then
    # The same wheel whatever Python is here: only the libraries inside matter.
    local tag
    flags+=(--only-binary=:all: --implementation cp --python-version 3.12 --abi cp312 --abi none)
    for tag in 2_28 2_27 2_26 2_25 2_24 2_17; do flags+=(--platform "manylinux_${tag}_$(uname -m)"); done
  fi
  if [ "$want" = cuda ]; then
    python3 -m pip install "${flags[@]}" "$torch"
  elif [ "$(uname -s)" = Linux ]; then
    python3 -m pip install "${flags[@]}" --no-deps "$torch" "${cuda_base[@]}"
  else
    python3 -m pip install "${flags[@]}" --no-deps "$torch"
  fi
  [ -d .libtorch.part/torch/lib ] || die "the wheel has no torch/lib folder"
  rm -rf .libtorch
  mv .libtorch.part .libtorch
  printf '%s' "$stamp" >.libtorch/.stamp
}

packages ${missing[@]+"${missing[@]}"}
if [ -n "${LIBTORCH:-}" ]; then
  [ -d "$LIBTORCH/lib" ] || die "LIBTORCH is set to $LIBTORCH, which has no lib folder"
else
  libtorch
fi
