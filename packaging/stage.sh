#!/usr/bin/env bash
# Lays out what every package holds: the stripped binary, the sample session beside it, the manual, the licences.
#   stage.sh DIR
# DISTILLSCOPE_BINARY, if set, is packed instead of one built here. Its libtorch has to be the one in .libtorch (or LIBTORCH).
set -euo pipefail
stage=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."

. packaging/facts.sh
binary=${DISTILLSCOPE_BINARY:-}
if [ -z "$binary" ]; then
  bash scripts/setup.sh
  cargo build --release --locked
  binary=$target/release/distillscope
fi

tools=$target/packaging-tools
if ! cmp -s packaging/requirements.txt "$tools/requirements.txt"; then
  python3 -m venv --clear "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check -r packaging/requirements.txt
  cp packaging/requirements.txt "$tools/"
fi

find "$stage" -mindepth 1 -delete
"$binary" manual --out "$stage/share"
install -D -m 644 packaging/distillscope.desktop -t "$stage/share/applications"
install -D -m 644 packaging/distillscope.svg -t "$stage/share/icons/hicolor/scalable/apps"

# The run path of the build names a folder of this machine; lib is where the bundle has libtorch.
strip -o "$stage/distillscope" "$binary"
"$tools/bin/patchelf" --set-rpath "\$ORIGIN/lib" "$stage/distillscope"

tar -c --exclude='*.cache' sample_data | tar -x -C "$stage"

mkdir "$stage/licences"
cp LICENSE-MIT LICENSE-APACHE "$stage/licences"
cp assets/fonts/README.md "$stage/licences/FONTS.md"
cp sample_data/README.md "$stage/licences/SAMPLE-DATA.md"
python3 packaging/licences.py >"$stage/licences/THIRD-PARTY.txt"
