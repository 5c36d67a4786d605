#!/usr/bin/env bash
# Builds dist/distillscope-VERSION-linux-x86_64.tar.gz: the program with the CPU half of libtorch, for a machine that has
# neither Rust nor Python. To be unpacked anywhere and started.
# DISTILLSCOPE_BINARY: see packaging/stage.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/facts.sh
stage=$target/package/$bundle

bash packaging/stage.sh "$stage"
install -m 755 packaging/install.sh "$stage"

# Whatever the binary needs that PyTorch's wheel brings along. libstdc++ stays the machine's own: its graphics drivers may
# need a newer one than ours.
libtorch=${LIBTORCH:-$PWD/.libtorch/torch}
site=$(dirname "$libtorch")
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
gather() {
  local library found
  for library in $(needed "$1"); do
    [ -e "$stage/lib/$library" ] && continue
    found=$(find "$libtorch/lib" "$site/nvidia" -name "$library" -print -quit 2>/dev/null) || true
    [ -n "$found" ] || continue
    cp -L "$found" "$stage/lib/$library"
    gather "$stage/lib/$library"
  done
}
mkdir "$stage/lib"
gather "$stage/distillscope"
# PyTorch's own are stripped, and look for each other beside themselves alone; NVIDIA's are passed on as they came.
for library in "$stage"/lib/libtorch*.so "$stage"/lib/libc10*.so; do
  strip --strip-unneeded "$library"
  "$target/packaging-tools/bin/patchelf" --set-rpath "\$ORIGIN" "$library"
done
for licences in "$site"/torch-*.dist-info/licenses "$site"/nvidia_cuda_{runtime,cupti}-*.dist-info/licenses; do
  package=$(basename "$(dirname "$licences")" .dist-info)
  mkdir "$stage/licences/$package"
  cp -r "$licences/." "$stage/licences/$package"
done

mkdir -p dist
date=$(git log -1 --format=%ct 2>/dev/null || date +%s)
tar -c -C "$target/package" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$date" "$bundle" | gzip -9n >"dist/$bundle.tar.gz.part"
mv "dist/$bundle.tar.gz.part" "dist/$bundle.tar.gz"
ls -l "$stage/lib" "dist/$bundle.tar.gz"
