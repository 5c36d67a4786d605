#!/usr/bin/env bash
# Builds dist/distillscope-VERSION-py3-none-manylinux_2_NN_x86_64.whl: the program for a Python environment that has torch.
# DISTILLSCOPE_BINARY: see packaging/stage.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/facts.sh
project=$target/package/wheel
export WHEEL_VERSION=$version

bash packaging/stage.sh "$project"
mv "$project/distillscope" "$project/program"
cp -r packaging/wheel/. README.md "$project"
mv "$project/program" "$project/distillscope/distillscope"
mv "$project/sample_data" "$project/distillscope/sample_data"

# The newest symbol of glibc that the binary asks for is the oldest glibc that it runs on.
glibc=$(objdump -T "$project/distillscope/distillscope" | grep -o 'GLIBC_2\.[0-9]*' | sort -V | tail -1)
glibc=${glibc#GLIBC_}
WHEEL_PLATFORM=manylinux_${glibc/./_}_$(uname -m)
export WHEEL_PLATFORM

mkdir -p dist
(cd "$project" && "$target/packaging-tools/bin/python" -m hatchling build --target wheel --directory "$OLDPWD/dist")
ls -l "dist/distillscope-$WHEEL_VERSION-py3-none-$WHEEL_PLATFORM.whl"
