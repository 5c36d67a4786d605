# shellcheck shell=bash disable=SC2034
# Sourced by the packaging scripts in the project's root: its version, where cargo builds, what the bundle is called.
metadata=$(cargo metadata --format-version 1 --no-deps --locked)
field() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)" <<<"$metadata"; }
target=$(field '["target_directory"]') version=$(field '["packages"][0]["version"]')
bundle=distillscope-$version-linux-$(uname -m)
